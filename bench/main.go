// Rig measures a Kafka-compatible broker from outside: it speaks the wire
// protocol and reads the broker's CPU time and memory from /proc. See README.md.
package main

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// command is one subcommand: setup declares its flags and returns its body.
type command struct {
	name, help string
	setup      func(*flag.FlagSet) func() error
}

var commands = []command{
	{"suite", "everything, against one broker that the rig starts, kills and restarts", setupSuite},
	{"cluster-suite", "replication and failover, against three brokers that the rig starts", setupClusterSuite},
	{"compare", "two brokers in turn, several times; medians and ratios", setupCompare},
	{"produce", "produce throughput", setupProduce},
	{"fetch", "fetch throughput, catching up or at the tail", setupFetch},
	{"latency", "time from produce to consume at a fixed rate", setupLatency},
	{"startup", "time until a started broker answers (the broker's command follows --)", setupStartup},
	{"idle", "memory and CPU while nothing happens", setupIdle},
	{"partitions", "time and memory to create many partitions", setupPartitions},
	{"many", "time and memory of very many partitions in several topics", setupMany},
	{"connections", "memory of many idle connections", setupConnections},
	{"group", "time until a consumer group is stable", setupGroup},
	{"members", "time, CPU and memory of many groups and members (KIP-848)", setupMembers},
	{"classic-members", "the same of one large classic group", setupClassicMembers},
	{"commits", "offset commits, and their cost", setupCommits},
	{"txn", "committed transactions per second", setupTxn},
	{"compaction", "CPU time to compact a log", setupCompaction},
	{"floor", "the CPU time of a program that does only what physics asks of a broker", setupFloor},
	{"floor-server", "that program alone", setupFloorServer},
	{"limits", "what this machine can do at all: loopback, disk, memory, checksums", setupLimits},
	{"table", "print saved results, or a comparison, as Markdown; two files: side by side with ratios", setupTable},
}

func main() {
	if len(os.Args) < 2 || slices.Contains([]string{"-h", "-help", "--help", "help"}, os.Args[1]) {
		usage()
		return
	}
	for _, c := range commands {
		if c.name == os.Args[1] {
			flags := flag.NewFlagSet("rig "+c.name, flag.ExitOnError)
			run := c.setup(flags)
			flags.Parse(os.Args[2:])
			if err := run(); err != nil {
				fmt.Fprintf(os.Stderr, "rig %s: %v\n", c.name, err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintf(os.Stderr, "rig: no command %q\n", os.Args[1])
	usage()
	os.Exit(2)
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: rig COMMAND [flags]      (rig COMMAND --help lists the flags)")
	for _, c := range commands {
		fmt.Fprintf(os.Stderr, "  %-14s %s\n", c.name, c.help)
	}
}

// common holds the flags that every measuring command has.
type common struct {
	bootstrap, pids, out string
}

func commonFlags(flags *flag.FlagSet) *common {
	c := new(common)
	flags.StringVar(&c.bootstrap, "bootstrap", "127.0.0.1:9092", "broker addresses, comma separated")
	flags.StringVar(&c.pids, "pid", "", "process ids of the brokers, comma separated; without, CPU and memory are not reported")
	outputFlags(flags, c)
	return c
}

func outputFlags(flags *flag.FlagSet, c *common) {
	flags.StringVar(&c.out, "out", "", "file for the results as JSON (default: standard output, after the table)")
}

func (c *common) broker() (*Broker, error) {
	b := &Broker{Seeds: strings.Split(c.bootstrap, ",")}
	if c.pids != "" {
		for _, s := range strings.Split(c.pids, ",") {
			pid, err := strconv.Atoi(s)
			if err != nil {
				return nil, fmt.Errorf("--pid: %w", err)
			}
			b.Pids = append(b.Pids, pid)
		}
	}
	return b, nil
}

// single makes the body of a command that takes one measurement of a running broker.
func single(c *common, measure func(*Broker) (Result, error)) func() error {
	return func() error {
		b, err := c.broker()
		if err != nil {
			return err
		}
		report := NewReport(c)
		return report.Take(func() (Result, error) { return measure(b) })
	}
}
