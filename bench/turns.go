// What one turn of a comparison measures: a short suite, phase by phase, with the same load for
// both sides.

package main

import (
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"
)

// turnSpec says what a turn measures, and how much of it.
type turnSpec struct {
	phases        string
	starts        int
	partitions    int
	many          int
	fillBytes     int64
	recoveryBytes int64
	cleanBytes    int64
	offsetGroups  int
	dir           string // of the turn
	rest          time.Duration
	goals         bool // only what the goals need
}

func (spec *turnSpec) flags(flags *flag.FlagSet) {
	flags.StringVar(&spec.phases, "phases", "*", "pattern or list of the phases after startup: "+
		"produce, small, codecs, fetch, floor, tail, latency, beside, durable, connections, txn, group, members, commits, offsets, compaction, recovery, partitions, many")
	flags.BoolVar(&spec.goals, "goals", false, "measure only what the goals need: three runs of --duration 2s take a quarter of an hour")
	flags.IntVar(&spec.starts, "starts", 4, "starts on an empty folder in each turn")
	flags.IntVar(&spec.partitions, "partitions", 2000, "partitions to create")
	flags.IntVar(&spec.many, "many", 0, "partitions to create in the phase many, in topics of at most 5,000; 0: none")
	flags.Int64Var(&spec.fillBytes, "fill-bytes", 1e9, "what is produced before catching up")
	flags.Int64Var(&spec.cleanBytes, "compaction-bytes", 1e9, "what is written before the cleaner may begin")
	flags.IntVar(&spec.offsetGroups, "offset-groups", 10_000, "groups that commit ten offsets each")
	flags.Int64Var(&spec.recoveryBytes, "recovery-bytes", 2e9, "log to recover after kill -9")
	flags.DurationVar(&spec.rest, "rest", 10*time.Second, "how long a broker rests before its memory is read")
}

// turn returns the phases; fresh gives the command of a start on an empty folder.
func (s *suite) turn(spec turnSpec, fresh func(int) string) []phase {
	if spec.goals {
		return s.goalTurn(spec)
	}
	return []phase{
		{"startup", func() { s.turnStartup(spec, fresh) }},
		{"produce", func() { s.turnProduce(spec.rest) }},
		{"small", s.turnSmall},
		{"codecs", s.turnCodecs},
		{"fetch", func() { s.turnFetch(spec.fillBytes, false) }},
		{"floor", func() { s.turnFloor(spec.dir) }},
		{"tail", func() { s.turnFetch(spec.fillBytes, true) }},
		{"latency", s.turnLatency},
		{"beside", s.turnBeside},
		{"durable", s.turnDurable},
		{"connections", s.turnConnections},
		{"txn", s.turnTransactions},
		{"group", func() { s.turnGroup(fresh) }},
		{"members", func() { s.turnMembers(spec.rest) }},
		{"commits", s.turnCommits},
		{"offsets", func() { s.offsets(spec.offsetGroups, 10, spec.rest) }},
		{"compaction", func() {
			s.try(s.broker.Compaction(compactionSpec(spec.cleanBytes)))
		}},
		{"recovery", func() { s.recovery(spec.recoveryBytes) }},
		{"partitions", func() { s.turnPartitions(spec) }},
		{"many", func() { s.many(spec.many) }},
	}
}

// turnStartup starts on empty folders, each of its own, and then the broker of the other phases.
func (s *suite) turnStartup(spec turnSpec, fresh func(int) string) {
	load := s.command
	for i := range spec.starts - 1 {
		s.command = fresh(i)
		s.start("first start, with formatting", "")
		s.stop(syscall.SIGTERM)
	}
	s.command = load
	s.startupAndRest(spec.rest)
}

// turnProduce loads with small and with large batches, after a load that is not counted: the
// Java virtual machine compiles what it has run often.
func (s *suite) turnProduce(rest time.Duration) {
	s.warm(base, 5*time.Second)
	s.produceCases()
	s.Add(s.broker.Idle("after the produce load", rest))
}

func (s *suite) produceCases() {
	for _, spec := range produceSpecs() {
		s.try(s.broker.Produce(spec))
	}
}

func produceSpecs() (all []ProduceSpec) {
	for _, partitions := range []int{1, 12} {
		for _, batch := range []int{16 << 10, 1 << 20} {
			spec := base
			spec.Partitions, spec.BatchBytes = partitions, batch
			all = append(all, spec)
		}
	}
	return all
}

// warm runs a load that is not counted.
func (s *suite) warm(spec ProduceSpec, duration time.Duration) {
	spec.Duration, spec.MaxBytes = duration, 1<<40
	if _, err := s.broker.Produce(spec); err != nil {
		s.try(Result{Kind: "warm-up"}, err)
	}
}

// turnSmall loads with small records: in batches, on one partition and on a hundred, and one by one.
func (s *suite) turnSmall() {
	for _, partitions := range []int{1, 100} {
		spec := base
		spec.Acks, spec.RecordBytes, spec.Partitions = 1, 100, partitions
		s.try(s.broker.Produce(spec))
	}
	s.try(s.broker.Produce(oneByOne()))
}

// oneByOne is a load of requests with one record each.
func oneByOne() ProduceSpec {
	spec := base
	spec.Acks, spec.RecordBytes, spec.Partitions, spec.BatchBytes = 1, 100, 1, 100
	return spec
}

var codecNames = []string{"gzip", "snappy", "lz4", "zstd"}

func (s *suite) turnCodecs() {
	for _, codec := range codecNames {
		spec := base
		spec.Codec = codec
		s.try(s.broker.Produce(spec))
	}
}

// catchUp reads what is in the page cache.
func catchUp(batch int) FetchSpec {
	spec := FetchSpec{Load: base, FillBytes: 1e9, MaxBytes: 50 << 20, PartitionMaxBytes: 1 << 20, Connections: 2,
		Duration: base.Duration}
	spec.Load.BatchBytes = batch
	return spec
}

func (s *suite) turnFetch(fill int64, tail bool) {
	for _, batch := range []int{16 << 10, 1 << 20} {
		spec := catchUp(batch)
		spec.FillBytes, spec.Tail = fill, tail
		s.try(s.broker.Fetch(spec))
	}
}

// turnFloor measures the floor while the broker rests.
func (s *suite) turnFloor(dir string) {
	err := withFloor(dir, func(b *Broker) error { return b.floor(s.Add) })
	if err != nil {
		s.try(Result{Kind: "floor"}, err)
	}
}

func (s *suite) turnLatency() {
	for _, rate := range []int{1000, 20_000} {
		s.try(s.broker.Latency(latencySpec(rate)))
	}
}

func latencySpec(rate int) LatencySpec {
	return LatencySpec{Topic: "rig-latency", Partitions: 1, Replicas: 1, Acks: -1,
		RecordBytes: 100, Rate: rate, Warmup: 3 * time.Second, Duration: 2 * base.Duration}
}

// turnBeside times records without and with somebody who reads old data of another topic meanwhile.
func (s *suite) turnBeside() {
	alone := latencySpec(1000)
	s.try(s.broker.Latency(alone))
	s.try(s.broker.LatencyBeside(besideSpec(alone), catchUp(16<<10)))
}

// besideSpec is a latency measurement beside a reader at a steady rate, which leaves both cores
// time: what is looked for is who waits for whom.
func besideSpec(spec LatencySpec) LatencySpec {
	spec.Beside = 200
	return spec
}

// turnDurable loads from many producers without and with a sync before each acknowledgement.
func (s *suite) turnDurable() {
	for _, partitions := range []int{1, 12} {
		for _, durable := range []bool{false, true} {
			s.try(s.broker.Produce(durableSpec(partitions, durable)))
		}
	}
}

func durableSpec(partitions int, durable bool) ProduceSpec {
	spec := base
	spec.Partitions, spec.Connections, spec.InFlight, spec.Durable = partitions, 32, 1, durable
	return spec
}

// turnConnections opens many connections that stay idle, and loads over many.
func (s *suite) turnConnections() {
	s.try(s.broker.Connections(1000, 5*time.Second))
	spec := base
	spec.Connections, spec.InFlight = 1000, 1
	s.try(s.broker.Produce(spec))
}

// turnTransactions commits small and larger transactions, after some that are not counted.
func (s *suite) turnTransactions() {
	if _, err := s.broker.Transactions(1, 1, 2*time.Second, quickRetry); err != nil {
		s.try(Result{Kind: "warm-up"}, err)
	}
	s.try(s.broker.Transactions(1, 1, base.Duration, 0))
	s.try(s.broker.Transactions(1, 1, base.Duration, quickRetry))
	s.try(s.broker.Transactions(100, 1, base.Duration, quickRetry))
}

// turnGroup has a hundred clients join, with the delay of the first rebalance that brokers are shipped
// with, and on a broker of its own without one.
func (s *suite) turnGroup(fresh func(int) string) {
	s.try(s.broker.Group("classic", 100))
	s.try(s.broker.Group("consumer", 100))
	s.stop(syscall.SIGTERM)
	load := s.command
	s.command = "env " + withoutDelay + " " + fresh(100)
	s.start("on an empty folder", "")
	if s.process != nil {
		if _, err := s.broker.Group("classic", 10); err != nil {
			s.try(Result{Kind: "warm-up"}, err)
		}
		r, err := s.broker.Group("classic", 100)
		r.Case += withoutDelayCase
		s.try(r, err)
	}
	s.stop(syscall.SIGTERM)
	s.command = load
	s.start("after the phase group", "")
}

// withoutDelay is how both brokers are told not to wait for more members (kafka/lib.sh).
const withoutDelay = "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS=0"

const withoutDelayCase = " without delay"

func (s *suite) turnMembers(rest time.Duration) {
	s.try(s.broker.Members(1000, 10, rest))
	s.try(s.broker.Members(1, 1000, rest))
	s.try(s.broker.ClassicMembers(1000, rest))
}

func (s *suite) turnCommits() {
	for _, partitions := range []int{1, 20} {
		spec := commitSpec(partitions)
		spec.Duration = base.Duration
		s.try(s.broker.Commits(spec))
	}
}

func (s *suite) turnPartitions(spec turnSpec) {
	const topic = "rig-partitions"
	s.try(s.broker.Partitions(topic, spec.partitions))
	s.Add(s.broker.Idle(fmt.Sprintf("with %d partitions", spec.partitions), spec.rest))
	s.stop(syscall.SIGTERM)
	s.start(fmt.Sprintf("after a clean stop, %d partitions", spec.partitions), topic)
	if s.process == nil {
		fmt.Fprintln(os.Stderr, "the broker did not start again")
	}
}
