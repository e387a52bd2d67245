// The suite: everything that is measured of one node, which is started, killed and restarted.

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"syscall"
	"time"
)

// suite runs measurements one after another against a broker that it starts.
type suite struct {
	*Report
	broker  *Broker
	command string
	process *Process
	failed  []string
}

func setupSuite(flags *flag.FlagSet) func() error {
	c := new(common)
	flags.StringVar(&c.bootstrap, "bootstrap", "127.0.0.1:9092", "address at which the broker will answer")
	outputFlags(flags, c)
	command := flags.String("start", "", "command whose process is, or becomes, the broker; its data directory should be new (required)")
	subject := flags.String("subject", "", "name and version of the broker, for the report")
	phases := flags.String("phases", "*", "pattern of the phases to run: load, fetch, latency, coordination, connections, recovery, partitions, many")
	fill := flags.Int64("recovery-bytes", 5e9, "log to recover after kill -9")
	partitions := flags.Int("partitions", 2000, "partitions to create")
	many := flags.Int("many", 0, "partitions to create in the phase many, in topics of at most 5,000; 0: none")
	flags.DurationVar(&base.Duration, "duration", base.Duration, "of each throughput measurement; the others follow it")
	return func() error {
		if *command == "" {
			return errors.New("--start is required")
		}
		b, err := c.broker()
		if err != nil {
			return err
		}
		s := &suite{Report: NewReport(c), broker: b, command: *command}
		s.Subject = *subject
		defer s.stop(syscall.SIGTERM)
		return s.end(s.run(*phases, []phase{
			{"startup", s.startup},
			{"load", s.load},
			{"fetch", s.fetch},
			{"latency", s.latency},
			{"coordination", s.coordination},
			{"connections", s.connections},
			{"recovery", func() { s.recovery(*fill) }},
			{"partitions", func() { s.partitions(*partitions) }},
			{"many", func() { s.many(*many) }},
		}))
	}
}

// phase is a part of a suite.
type phase struct {
	name string
	run  func()
}

// run runs the first phase, which starts the broker, and those that the pattern
// or comma separated list names, and saves after each what there is so far.
func (s *suite) run(wanted string, phases []phase) error {
	names := strings.Split(wanted, ",")
	for i, phase := range phases {
		match, err := path.Match(wanted, phase.name)
		if err != nil {
			return err
		}
		if i > 0 && !match && !slices.Contains(names, phase.name) {
			continue
		}
		phase.run()
		if s.out != "" {
			if err := s.Save(); err != nil {
				return err
			}
		}
		if s.process == nil {
			break
		}
	}
	return nil
}

// try keeps a result, or the error; the suite goes on in either case.
func (s *suite) try(r Result, err error) {
	if err != nil {
		s.failed = append(s.failed, fmt.Sprintf("%s %s: %v", r.Kind, r.Case, err))
		fmt.Fprintln(os.Stderr, s.failed[len(s.failed)-1])
		return
	}
	s.Add(r)
}

// end saves the report and returns what went wrong, if anything did.
func (s *suite) end(err error) error {
	return errors.Join(err, s.failures(), s.Save())
}

func (s *suite) failures() error {
	if len(s.failed) == 0 {
		return nil
	}
	return fmt.Errorf("%d measurements failed:\n%s", len(s.failed), strings.Join(s.failed, "\n"))
}

func (s *suite) start(name, topic string) {
	r, p, err := s.broker.Start(s.command, topic)
	r.Case = name
	s.process = p
	s.try(r, err)
}

func (s *suite) stop(signal syscall.Signal) {
	if s.process != nil {
		s.process.Stop(signal)
		s.process = nil
	}
}

func (s *suite) startup() { s.startupAndRest(10 * time.Second) }

// startupAndRest starts the broker twice, formatting first, and reads its memory after a rest.
func (s *suite) startupAndRest(rest time.Duration) {
	s.start("first start, with formatting", "")
	if s.process == nil {
		return
	}
	time.Sleep(2 * time.Second)
	stopping := time.Now()
	s.stop(syscall.SIGTERM)
	stopped := Result{Kind: "startup", Case: "clean stop"}
	stopped.Add("stop_s", time.Since(stopping).Seconds())
	s.Add(stopped)
	s.start("restart, empty", "")
	if s.process != nil {
		time.Sleep(5 * time.Second)
		s.Add(s.broker.Idle("after start", rest))
	}
}

// base is the load from which the others differ.
var base = ProduceSpec{
	Topic: "rig-load", Partitions: 12, Replicas: 1, Acks: -1, RecordBytes: 1024, BatchBytes: 16 << 10, Codec: "none",
	RequestBytes: 1 << 20, Connections: 2, InFlight: 5, Warmup: time.Second, Duration: 4 * time.Second, MaxBytes: 3e9,
}

func (s *suite) load() {
	warm := base
	warm.Duration, warm.MaxBytes = 10*time.Second, 1<<40
	if _, err := s.broker.Produce(warm); err != nil {
		s.try(Result{Kind: "warm-up"}, err)
	}
	for _, record := range []int{100, 1024} {
		for _, acks := range []int{1, -1} {
			for _, partitions := range []int{1, 12} {
				for _, batch := range []int{16 << 10, 1 << 20} {
					if acks == 1 && record == 100 {
						continue // one node does the same for acks=1 and acks=all; one size shows it
					}
					spec := base
					spec.Acks, spec.Partitions, spec.RecordBytes, spec.BatchBytes = acks, partitions, record, batch
					s.try(s.broker.Produce(spec))
				}
			}
		}
	}
	for _, codec := range []string{"lz4", "zstd"} {
		for _, record := range []int{100, 1024} {
			for _, batch := range []int{16 << 10, 1 << 20} {
				spec := base
				spec.Codec, spec.RecordBytes, spec.BatchBytes = codec, record, batch
				spec.MaxBytes = 10e9 // of values; much less reaches the disk
				s.try(s.broker.Produce(spec))
			}
		}
	}
	s.Add(s.broker.Idle("after the produce load", 5*time.Second))
}

func (s *suite) fetch() {
	for _, tail := range []bool{false, true} {
		for _, partitions := range []int{1, 12} {
			for _, batch := range []int{16 << 10, 1 << 20} {
				spec := FetchSpec{Load: base, Tail: tail, FillBytes: 2e9, MaxBytes: 50 << 20, PartitionMaxBytes: 1 << 20, Connections: 2, Duration: base.Duration}
				spec.Load.Partitions, spec.Load.BatchBytes = partitions, batch
				s.try(s.broker.Fetch(spec))
			}
		}
	}
}

func (s *suite) latency() {
	for _, rate := range []int{1000, 20_000} {
		for _, acks := range []int{1, -1} {
			s.try(s.broker.Latency(LatencySpec{Topic: "rig-latency", Partitions: 1, Replicas: 1, Acks: acks, RecordBytes: 100,
				Rate: rate, Warmup: 3 * time.Second, Duration: 2 * base.Duration}))
		}
	}
}

func (s *suite) coordination() {
	s.try(s.broker.Group("classic", 100))
	s.try(s.broker.Group("consumer", 100))
	s.try(s.broker.Transactions(1, 1, base.Duration, 0))
	s.try(s.broker.Transactions(1, 1, base.Duration, quickRetry))
	s.try(s.broker.Transactions(100, 1, base.Duration, quickRetry))
}

func (s *suite) connections() {
	for _, n := range []int{1000, 5000} {
		s.try(s.broker.Connections(n, 5*time.Second))
		time.Sleep(2 * time.Second)
	}
	s.Add(s.broker.Idle("after everything", 10*time.Second))
}

// recovery kills the broker with a log that it has not flushed.
func (s *suite) recovery(fill int64) {
	if !s.fillAndKill(fill) {
		return
	}
	s.stop(syscall.SIGTERM)
	s.start(fmt.Sprintf("after a clean stop, %.0f GB of log", float64(fill)/1e9), base.Topic)
	if s.process != nil {
		s.broker.DeleteTopic(base.Topic)
	}
}

// killed names the start after such a kill.
func killed(fill int64) string {
	return fmt.Sprintf("after kill -9, %.0f GB of log", float64(fill)/1e9)
}

// fillAndKill kills the broker while it has a log that it has not flushed, and starts it again.
// It reports whether the broker is there.
func (s *suite) fillAndKill(fill int64) bool {
	spec := base
	if err := s.broker.CreateTopic(spec.Topic, spec.Partitions, 1); err != nil {
		s.try(Result{Kind: "startup", Case: "recovery"}, err)
		return false
	}
	l, err := s.broker.StartLoad(spec)
	if err == nil {
		for l.valueBytes.Load() < fill && !l.stop.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		err = l.finish()
	}
	if err != nil {
		s.try(Result{Kind: "startup", Case: "recovery"}, err)
		return false
	}
	s.stop(syscall.SIGKILL)
	s.start(killed(fill), spec.Topic)
	return s.process != nil
}

func (s *suite) partitions(n int) {
	const topic = "rig-partitions"
	s.try(s.broker.Partitions(topic, n))
	s.Add(s.broker.Idle(fmt.Sprintf("with %d partitions", n), 10*time.Second))
	s.stop(syscall.SIGTERM)
	s.start(fmt.Sprintf("after a clean stop, %d partitions", n), topic)
	if s.process == nil {
		return
	}
	s.stop(syscall.SIGKILL)
	s.start(fmt.Sprintf("after kill -9, %d partitions", n), topic)
}
