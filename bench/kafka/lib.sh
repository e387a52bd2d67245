# Shared by the scripts in this folder: where the jars are (RIG_KAFKA_LIBS, if they are elsewhere already),
# how the JVM is called.
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
libs=${RIG_KAFKA_LIBS:-$here/libs}

# The heap and collector settings of Kafka's own kafka-server-start.sh.
server_jvm=(${KAFKA_HEAP_OPTS:--Xmx1G -Xms1G} -server -XX:+UseG1GC -XX:MaxGCPauseMillis=20
  -XX:InitiatingHeapOccupancyPercent=35 -XX:+ExplicitGCInvokesConcurrent -XX:MaxInlineLevel=15
  -Djava.awt.headless=true)
tool_jvm=(${KAFKA_TOOL_OPTS:--Xmx512M} -Drig.loglevel=WARN)
logging=-Dlog4j2.configurationFile=$here/log4j2.xml

die() { echo "$*" >&2; exit 1; }

fetch_jars() {
  [ -d "$libs" ] && return
  (cd "$here" && mvn -q -B dependency:copy-dependencies -DoutputDirectory=libs -DincludeScope=runtime) >&2 ||
    die "could not fetch the Kafka jars with Maven"
}

java_tool() { java "${tool_jvm[@]}" "$logging" -cp "$libs/*" "$@"; }

# write_config FILE NODE PORT CONTROLLER_PORT DATA REPLICATION CONTROLLERS: Kafka's shipped server.properties
# on loopback, except that deleted topics free their disk space after a second instead of a minute.
write_config() {
  cat >"$1" <<EOF
process.roles=broker,controller
node.id=$2
listeners=PLAINTEXT://127.0.0.1:$3,CONTROLLER://127.0.0.1:$4
advertised.listeners=PLAINTEXT://127.0.0.1:$3
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
controller.quorum.bootstrap.servers=$7
log.dirs=$5
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
num.partitions=1
num.recovery.threads.per.data.dir=2
log.segment.delete.delay.ms=1000
offsets.topic.replication.factor=$6
transaction.state.log.replication.factor=$6
transaction.state.log.min.isr=$(($6 > 1 ? 2 : 1))
share.coordinator.state.topic.replication.factor=$6
share.coordinator.state.topic.min.isr=$(($6 > 1 ? 2 : 1))
group.initial.rebalance.delay.ms=${KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS:-3000}
EOF
}

# exec_broker HOME: becomes the broker, so that the caller's process id is the broker's.
exec_broker() {
  echo $$ >"$1/pid"
  exec java "${server_jvm[@]}" "$logging" -cp "$libs/*" kafka.Kafka "$1/server.properties" >>"$1/broker.log" 2>&1
}

# start_broker HOME COMMAND...: the same in the background, returning when the port answers.
start_broker() {
  local home=$1 port=$2; shift 2
  setsid nohup "$@" </dev/null >/dev/null 2>&1 &
  for _ in $(seq 600); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && { echo "port $port, pid $(cat "$home/pid")"; return; }
    sleep 0.1
  done
  die "no answer on port $port; see $home/broker.log"
}

stop_broker() {
  local pid; pid=$(cat "$1/pid" 2>/dev/null) || return 0
  kill "$pid" 2>/dev/null || { rm -f "$1/pid"; return 0; }
  while kill -0 "$pid" 2>/dev/null; do sleep 0.2; done
  rm -f "$1/pid"
}
