// One data folder in turns: Apache Kafka formats and fills it, the node goes on with it, Kafka
// takes it back, and so on, ended in order and by kill -9 on either side. `ThereAndBack <bootstrap>`
// needs no broker but its own; BROKER_COMMAND says how the node is started. Its lines are the
// contract in ../README.md. `ThereAndBack --capture <folder>` leaves there what Kafka wrote at
// first, as `data`, and what it told of that, as `state.txt`.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

public final class ThereAndBack {
    private static final int DIFFERENCES_SHOWN = 20;

    private final Host host;
    private final Writing writing;
    private State state;

    private ThereAndBack(Host host) {
        this.host = host;
        this.writing = new Writing(host.bootstrap());
    }

    public static void main(String[] args) throws Exception {
        if (args[0].equals("--capture")) {
            capture(Path.of(args[1]));
            System.exit(0);
        }
        Host host = Host.ofProgram("folders");
        int status = new ThereAndBack(host).story() ? 0 : 1;
        System.exit(status);
    }

    private static void capture(Path folder) throws Exception {
        Host host = new Host(Files.createDirectories(folder), List.of());
        var story = new ThereAndBack(host);
        host.format();
        host.start(Host.Broker.KAFKA);
        story.write(0, true);
        host.stop();
        List<String> lines = new ArrayList<>();
        story.state.lines.forEach((name, value) -> lines.add(name + "\t" + value));
        Files.write(folder.resolve("state.txt"), lines);
    }

    /** Each feature needs the one before: after the first failure nothing more is told. */
    private boolean story() {
        return Host.feature("from-kafka", () -> {
            host.format();
            host.start(Host.Broker.KAFKA);
            write(0, true);
            host.stop();
            host.examine();
            takes(Host.Broker.NODE);
        }) && Host.feature("sound", () -> {
            write(1, true);
            host.stop();
            host.examine();
        }) && Host.feature("to-kafka", () -> takes(Host.Broker.KAFKA)
        ) && Host.feature("goes-on", () -> write(2, true)
        ) && Host.feature("back-again", () -> {
            host.stop();
            takes(Host.Broker.NODE);
        }) && Host.feature("killed-here", () -> {
            write(3, false);
            host.kill();
            host.verify();
            takes(Host.Broker.KAFKA);
        }) && Host.feature("killed-there", () -> {
            write(4, false);
            host.kill();
            host.verify();
            takes(Host.Broker.NODE);
        }) && Host.feature("sound-after-crashes", () -> {
            write(5, true);
            host.stop();
            host.examine();
        });
    }

    private void write(int round, boolean deletes) throws Exception {
        writing.round(round, deletes);
        state = State.of(host.bootstrap());
        writing.check(state);
    }

    /** The other broker starts on the folder, and tells the same. */
    private void takes(Host.Broker broker) throws Exception {
        host.start(broker);
        writing.settle();
        State after = State.of(host.bootstrap());
        List<String> differences = State.differences(state, after);
        differences.stream().limit(DIFFERENCES_SHOWN).forEach(System.err::println);
        if (!differences.isEmpty()) {
            throw new AssertionError(differences.size() + " differences, the first: " + differences.get(0));
        }
        writing.check(after);
    }
}
