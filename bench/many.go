package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// The most partitions of a topic: the controller takes no more records than 10,000 at once, and
// operators who have many partitions rarely have them in one topic.
const manyPerTopic = 5000

func setupMany(flags *flag.FlagSet) func() error {
	c := commonFlags(flags)
	n := flags.Int("partitions", 100_000, "how many, in topics of at most 5,000; created, and left")
	return single(c, func(b *Broker) (Result, error) { return b.Many(*n) })
}

// manyTopics gives the size of each topic.
func manyTopics(n int) []int {
	var sizes []int
	for ; n > 0; n -= manyPerTopic {
		sizes = append(sizes, min(n, manyPerTopic))
	}
	return sizes
}

// Many creates topic after topic, waits until every partition is led, and lists them all.
func (b *Broker) Many(n int) (Result, error) {
	r := Result{Kind: "many", Case: fmt.Sprintf("%d partitions", n)}
	before := b.Usage()
	err := b.WithAdmin(func(ctx context.Context, admin *kadm.Client) error {
		for i, size := range manyTopics(n) {
			topic := fmt.Sprintf("rig-many-%d", i)
			if _, err := admin.CreateTopic(ctx, int32(size), 1, nil, topic); err != nil {
				return fmt.Errorf("create %s: %w", topic, err)
			}
		}
		return nil
	})
	if err == nil {
		err = b.waitMany(n, nil)
	}
	if err != nil {
		return r, err
	}
	created := b.Usage()
	list, err := b.listMany(n)
	if err != nil {
		return r, err
	}
	time.Sleep(3 * time.Second)
	after := b.Usage()
	r.Add("create_s", created.At.Sub(before.At).Seconds())
	r.Add("cpu_s", (created.CPU - before.CPU).Seconds())
	r.Add("list_s", list.Seconds())
	r.addRest(before, after, n)
	return r, nil
}

func (r *Result) addRest(before, after Usage, n int) {
	r.Add("rss_mb", after.RSS/1e6)
	r.Add("peak_rss_mb", after.PeakRSS/1e6)
	if before.RSS > 0 {
		r.Add("rss_kb_per_partition", (after.RSS-before.RSS)/1e3/float64(n))
	}
	r.Add("files", float64(after.Files))
	r.Add("threads", float64(after.Threads))
}

// listMany asks for all topics and counts their partitions.
func (b *Broker) listMany(n int) (time.Duration, error) {
	start := time.Now()
	found := 0
	err := b.WithAdmin(func(ctx context.Context, admin *kadm.Client) error {
		topics, err := admin.ListTopics(ctx)
		for _, t := range topics {
			for _, p := range t.Partitions {
				if p.Err == nil && p.Leader >= 0 {
					found++
				}
			}
		}
		return err
	})
	if err == nil && found < n {
		err = fmt.Errorf("%d of %d partitions are listed with a leader", found, n)
	}
	return time.Since(start), err
}

// waitMany waits until every partition answers for its end, as its leader does.
func (b *Broker) waitMany(n int, ended <-chan struct{}) error {
	return b.WithAdmin(func(ctx context.Context, admin *kadm.Client) error {
		for i, size := range manyTopics(n) {
			err := waitLeaders(ctx, admin, fmt.Sprintf("rig-many-%d", i), size)
			if err != nil {
				return err
			}
			select {
			case <-ended:
				return errors.New("the broker ended")
			default:
			}
		}
		return nil
	})
}

// many creates many partitions and restarts the broker in order and after kill -9.
func (s *suite) many(n int) {
	if n == 0 {
		return
	}
	r, err := s.broker.Many(n)
	s.try(r, err)
	if err != nil {
		return
	}
	s.Add(s.broker.Idle(fmt.Sprintf("with %d partitions", n), 10*time.Second))
	for _, end := range []struct {
		signal syscall.Signal
		after  string
	}{{syscall.SIGTERM, "a clean stop"}, {syscall.SIGKILL, "kill -9"}} {
		r := Result{Kind: "many", Case: fmt.Sprintf("%d partitions, after %s", n, end.after)}
		if s.process != nil {
			r.Add("stop_s", s.process.Stop(end.signal).Seconds())
			s.process = nil
		}
		s.try(s.restartMany(r, n))
		if s.process == nil {
			return
		}
	}
}

// restartMany starts the broker, and times it until it answers, all is led, and all is listed.
func (s *suite) restartMany(r Result, n int) (Result, error) {
	start := time.Now()
	started, process, err := s.broker.Start(s.command, "")
	if err != nil {
		return r, err
	}
	s.process = process
	r.Metrics = append(r.Metrics, started.Metrics[0])
	if err := s.broker.waitMany(n, process.done); err != nil {
		return r, err
	}
	r.Add("leaders_s", time.Since(start).Seconds())
	list, err := s.broker.listMany(n)
	if err != nil {
		return r, err
	}
	r.Add("list_s", list.Seconds())
	after := s.broker.Usage()
	r.Add("cpu_s", after.CPU.Seconds())
	r.addRest(Usage{}, after, n)
	return r, nil
}
