// The suite of three nodes: replication and failover.

package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"syscall"
	"time"
)

func setupClusterSuite(flags *flag.FlagSet) func() error {
	c := new(common)
	flags.StringVar(&c.bootstrap, "bootstrap", "127.0.0.1:19092,127.0.0.1:19102,127.0.0.1:19112", "addresses of nodes 1, 2 and 3")
	outputFlags(flags, c)
	command := flags.String("start", "", "command that becomes one broker; %d stands for the node, 1 to 3 (required)")
	subject := flags.String("subject", "", "name and version of the broker, for the report")
	failovers := flags.Int("failovers", 2, "how often to kill a leader")
	flags.DurationVar(&base.Duration, "duration", base.Duration, "of each throughput measurement; the others follow it")
	return func() error {
		if !strings.Contains(*command, "%d") {
			return errors.New("--start with %d for the node is required")
		}
		b, err := c.broker()
		if err != nil {
			return err
		}
		if len(b.Seeds) != 3 {
			return errors.New("--bootstrap must name three addresses")
		}
		s := &clusterSuite{suite: suite{Report: NewReport(c), broker: b, command: *command}, nodes: map[int32]*Process{}, addresses: map[int32]string{}}
		s.Subject = *subject
		for i, address := range b.Seeds {
			s.addresses[int32(i+1)] = address
		}
		defer s.stopAll()
		return s.end(s.run(*failovers))
	}
}

// clusterSuite is a suite against three brokers.
type clusterSuite struct {
	suite
	nodes     map[int32]*Process
	addresses map[int32]string
}

func (s *clusterSuite) run(failovers int) error {
	begin := time.Now()
	for node := range s.addresses {
		if err := s.startNode(node); err != nil {
			return err
		}
	}
	if err := s.await(); err != nil {
		return err
	}
	ready := Result{Kind: "cluster", Case: "first start, with formatting"}
	ready.Add("ready_s", time.Since(begin).Seconds())
	s.Add(ready)

	warm := base
	warm.Replicas, warm.Duration = 3, 5*time.Second
	if _, err := s.broker.Produce(warm); err != nil {
		return err
	}
	for _, acks := range []int{1, -1} {
		for _, partitions := range []int{1, 12} {
			for _, batch := range []int{16 << 10, 1 << 20} {
				spec := base
				spec.Replicas, spec.Acks, spec.Partitions, spec.BatchBytes, spec.MaxBytes = 3, acks, partitions, batch, 2e9
				r, err := s.broker.Produce(spec)
				r.Kind = "cluster produce"
				s.try(r, err)
			}
		}
	}
	r, err := s.broker.Latency(LatencySpec{Topic: "rig-latency", Partitions: 1, Replicas: 3, Acks: -1, RecordBytes: 100,
		Rate: 1000, Warmup: 3 * time.Second, Duration: 2 * base.Duration})
	r.Kind = "cluster latency"
	s.try(r, err)
	r, err = s.broker.Transactions(1, 3, base.Duration, 2*time.Millisecond)
	r.Kind = "cluster txn"
	s.try(r, err)
	idle := s.broker.Idle("three nodes after the load", 10*time.Second)
	idle.Kind = "cluster idle"
	s.Add(idle)

	for i := range failovers {
		topic := fmt.Sprintf("rig-failover-%d", i+1)
		r, killed, err := s.broker.Failover(topic, s.nodes, s.addresses)
		s.try(r, err)
		if err != nil {
			break
		}
		if err := s.startNode(killed); err != nil {
			return err
		}
		if err := s.await(); err != nil {
			return err
		}
		time.Sleep(3 * time.Second)
	}
	return nil
}

func (s *clusterSuite) startNode(node int32) error {
	p, err := StartProcess(strings.ReplaceAll(s.command, "%d", fmt.Sprint(node)))
	if err != nil {
		return err
	}
	s.nodes[node] = p
	s.broker.Pids = nil
	for _, p := range s.nodes {
		s.broker.Pids = append(s.broker.Pids, p.Pid())
	}
	return nil
}

// await waits until every node answers and knows all three.
func (s *clusterSuite) await() error {
	knows := func(address string) bool {
		conn, err := dial(address)
		if err != nil {
			return false
		}
		defer conn.Close()
		conn.SetDeadline(time.Now().Add(5 * time.Second))
		metadata, err := conn.metadata("")
		return err == nil && len(metadata.Brokers) == len(s.addresses)
	}
	for start := time.Now(); time.Since(start) < 2*time.Minute; time.Sleep(10 * time.Millisecond) {
		ready := 0
		for _, address := range s.addresses {
			if knows(address) {
				ready++
			}
		}
		if ready == len(s.addresses) {
			return nil
		}
	}
	return errors.New("the cluster is not complete")
}

func (s *clusterSuite) stopAll() {
	for _, p := range s.nodes {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range s.nodes {
		<-p.done
	}
}
