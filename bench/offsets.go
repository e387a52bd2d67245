package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// CommitSpec says who commits what: groups that nobody has joined, in requests that are encoded once.
type CommitSpec struct {
	Groups, Partitions    int // in each request as many partitions
	Connections, InFlight int
	Warmup, Duration      time.Duration
}

func setupCommits(flags *flag.FlagSet) func() error {
	c := commonFlags(flags)
	spec := commits
	flags.IntVar(&spec.Groups, "groups", spec.Groups, "how many groups commit")
	flags.IntVar(&spec.Partitions, "partitions", spec.Partitions, "partitions in each commit")
	flags.IntVar(&spec.Connections, "connections", spec.Connections, "how many connections")
	flags.IntVar(&spec.InFlight, "in-flight", spec.InFlight, "requests in flight on each connection")
	flags.DurationVar(&spec.Warmup, "warmup", spec.Warmup, "not counted")
	flags.DurationVar(&spec.Duration, "duration", spec.Duration, "counted")
	return single(c, func(b *Broker) (Result, error) { return b.Commits(spec) })
}

// commits is the load from which others differ.
var commits = CommitSpec{Groups: 100, Partitions: 1, Connections: 8, InFlight: 4, Warmup: 3 * time.Second, Duration: 4 * time.Second}

func commitSpec(partitions int) CommitSpec {
	spec := commits
	spec.Partitions = partitions
	return spec
}

func (s CommitSpec) String() string {
	return fmt.Sprintf("groups=%d partitions=%d connections=%d", s.Groups, s.Partitions, s.Connections)
}

const offsetsTopic = "rig-offsets"

// commitRequest commits an offset for each of the first partitions of the topic.
func commitRequest(group string, partitions int, offset int64) *kmsg.OffsetCommitRequest {
	r := kmsg.NewPtrOffsetCommitRequest()
	r.Version, r.Group = 7, group
	t := kmsg.NewOffsetCommitRequestTopic()
	t.Topic = offsetsTopic
	for p := range partitions {
		one := kmsg.NewOffsetCommitRequestTopicPartition()
		one.Partition, one.Offset = int32(p), offset
		t.Partitions = append(t.Partitions, one)
	}
	r.Topics = append(r.Topics, t)
	return r
}

// commitError returns the first error of an answer.
func commitError(body []byte) error {
	answer := kmsg.NewPtrOffsetCommitResponse()
	answer.Version = 7
	if err := answer.ReadFrom(body); err != nil {
		return err
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if err := kerr.ErrorForCode(p.ErrorCode); err != nil {
				return err
			}
		}
	}
	return nil
}

// Commits measures how many commits of offsets a broker takes, and at what cost.
func (b *Broker) Commits(spec CommitSpec) (Result, error) {
	r := Result{Kind: "commits", Case: spec.String()}
	if err := b.CreateTopic(offsetsTopic, max(spec.Partitions, 1), 1); err != nil {
		return r, err
	}
	defer b.DeleteTopic(offsetsTopic)
	var done atomic.Int64
	var ends atomic.Bool
	failures := make(chan error, spec.Connections)
	var running sync.WaitGroup
	defer running.Wait()
	defer ends.Store(true)
	for i := range spec.Connections {
		conn, err := dial(b.Seeds[0])
		if err != nil {
			return r, err
		}
		if err := conn.awaitCommit(fmt.Sprintf("rig-commits-%d", i), spec.Partitions); err != nil {
			return r, err
		}
		var frames [][]byte
		for g := i; g < spec.Groups; g += spec.Connections {
			frames = append(frames, encode(commitRequest(fmt.Sprintf("rig-commits-%d", g), spec.Partitions, 1)))
		}
		running.Go(func() {
			defer conn.Close()
			if err := conn.commitOn(frames, spec.InFlight, &done, &ends); err != nil {
				failures <- err
			}
		})
	}
	time.Sleep(spec.Warmup)
	before, from := b.Usage(), done.Load()
	select {
	case err := <-failures:
		return r, err
	case <-time.After(spec.Duration):
	}
	after, n := b.Usage(), float64(done.Load()-from)
	r.Add("commits_per_s", n/after.At.Sub(before.At).Seconds())
	if after.Pids > 0 {
		r.Add("commits_per_cpu_s", n/(after.CPU-before.CPU).Seconds())
	}
	r.addUsage(before, after)
	return r, nil
}

// awaitCommit commits until the broker takes it: until the internal topic is there.
func (c *wireConn) awaitCommit(group string, partitions int) error {
	if err := c.awaitCoordinator(group); err != nil {
		return err
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		if _, err := c.Write(encode(commitRequest(group, partitions, 1))); err != nil {
			return err
		}
		body, err := c.read()
		if err != nil {
			return err
		}
		if err = commitError(body); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// commitOn keeps so many commits in flight. All are answered by the same bytes, as long as all is well.
func (c *wireConn) commitOn(frames [][]byte, inFlight int, done *atomic.Int64, ends *atomic.Bool) error {
	var good []byte
	sent, heard := 0, 0
	for !ends.Load() || heard < sent {
		for sent-heard < inFlight && !ends.Load() {
			if _, err := c.Write(frames[sent%len(frames)]); err != nil {
				return err
			}
			sent++
		}
		if heard == sent {
			continue
		}
		body, err := c.read()
		if err != nil {
			return err
		}
		if good == nil {
			if err := commitError(body); err != nil {
				return err
			}
			good = bytes.Clone(body)
		}
		if !bytes.Equal(body, good) {
			return errors.Join(commitError(body), errors.New("an answer unlike the first one"))
		}
		heard++
		done.Add(1)
	}
	return nil
}

// offsets fills groups with offsets, watches them at rest, and times two restarts until they can be read.
func (s *suite) offsets(groups, partitions int, rest time.Duration) {
	name := offsetsCase(groups, partitions)
	r := Result{Kind: "offsets", Case: name + " at rest"}
	err := func() error {
		if err := s.broker.CreateTopic(offsetsTopic, partitions, 1); err != nil {
			return err
		}
		if err := s.broker.fillOffsets(1, partitions); err != nil {
			return err
		}
		time.Sleep(time.Second)
		before := s.broker.Usage()
		time.Sleep(rest)
		r.Add("wakes_per_s_before", wakesPerSecond(before, s.broker.Usage()))
		if err := s.broker.fillOffsets(groups, partitions); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		resting := s.broker.Usage()
		time.Sleep(rest)
		rested := s.broker.Usage()
		r.addAtRest(resting, rested)
		r.Add("rss_kb_per_group", (rested.RSS-before.RSS)/1e3/float64(groups))
		return nil
	}()
	s.try(r, err)
	if err != nil {
		return
	}
	for _, how := range []struct {
		name   string
		signal syscall.Signal
	}{{"a clean stop", syscall.SIGTERM}, {"kill -9", syscall.SIGKILL}} {
		s.stop(how.signal)
		r, p, err := s.broker.startUntilFetched(s.command, groups, partitions)
		s.process = p
		r.Case = name + " after " + how.name
		s.try(r, err)
		if p == nil {
			return
		}
	}
	s.broker.DeleteTopic(offsetsTopic)
}

// fillConnections is more than one, since a broker may let each commit wait a while for others.
const fillConnections = 50

// fillOffsets commits once for each group.
func (b *Broker) fillOffsets(groups, partitions int) error {
	var filling sync.WaitGroup
	failures := make([]error, fillConnections)
	for i := range fillConnections {
		filling.Go(func() {
			conn, err := dial(b.Seeds[0])
			if err == nil {
				defer conn.Close()
			}
			for g := i; err == nil && g < groups; g += fillConnections {
				err = conn.awaitCommit(offsetsGroup(g), partitions)
			}
			failures[i] = err
		})
	}
	filling.Wait()
	return errors.Join(failures...)
}

func offsetsCase(groups, partitions int) string {
	return fmt.Sprintf("groups=%d offsets=%d", groups, groups*partitions)
}

func offsetsGroup(g int) string { return fmt.Sprintf("rig-offsets-%d", g) }

// startUntilFetched starts the broker and times it until an offset of one group can be read, and until
// those of all groups can.
func (b *Broker) startUntilFetched(command string, groups, partitions int) (Result, *Process, error) {
	r := Result{Kind: "offsets"}
	start := time.Now()
	p, err := StartProcess(command)
	if err != nil {
		return r, nil, err
	}
	b.Pids = []int{p.Pid()}
	fetched := func(from, to int) error {
		for time.Since(start) < time.Minute {
			conn, err := dial(b.Seeds[0])
			for g := from; err == nil; g++ {
				if from = g; g == to {
					conn.Close()
					return nil
				}
				err = conn.fetchOffsets(offsetsGroup(g), partitions)
			}
			if conn != nil {
				conn.Close()
			}
			time.Sleep(time.Millisecond)
		}
		return fmt.Errorf("the offsets of %s cannot be read", offsetsGroup(from))
	}
	if err := fetched(0, 1); err != nil {
		p.Stop(syscall.SIGKILL)
		return r, nil, err
	}
	r.Add("first_fetch_s", time.Since(start).Seconds())
	if err := fetched(1, groups); err != nil {
		p.Stop(syscall.SIGKILL)
		return r, nil, err
	}
	r.Add("all_fetched_s", time.Since(start).Seconds())
	r.Add("cpu_s", b.Usage().CPU.Seconds())
	r.Add("rss_mb", b.Usage().RSS/1e6)
	return r, p, nil
}

// fetchOffsets reads all offsets of a group, and fails unless every one is what was committed.
func (c *wireConn) fetchOffsets(group string, partitions int) error {
	request, answer := kmsg.NewPtrOffsetFetchRequest(), kmsg.NewPtrOffsetFetchResponse()
	request.Version, request.Group = 5, group
	if err := c.roundTrip(request, answer); err != nil {
		return err
	}
	if err := kerr.ErrorForCode(answer.ErrorCode); err != nil {
		return err
	}
	n := 0
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			if p.ErrorCode == 0 && p.Offset == 1 {
				n++
			}
		}
	}
	if n != partitions {
		return fmt.Errorf("%s has %d of %d offsets", group, n, partitions)
	}
	return nil
}
