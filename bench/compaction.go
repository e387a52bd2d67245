package main

import (
	"context"
	"flag"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
)

// CompactionSpec says how much is written before the cleaner may begin, and over how many keys.
type CompactionSpec struct {
	Topic       string
	Bytes       int64 // of values
	Keys        int
	RecordBytes int
}

func compactionSpec(bytes int64) CompactionSpec {
	return CompactionSpec{Topic: "rig-compaction", Bytes: bytes, Keys: 50_000, RecordBytes: 1024}
}

func (s CompactionSpec) String() string {
	return fmt.Sprintf("%.0f GB record=%d keys=%d", float64(s.Bytes)/1e9, s.RecordBytes, s.Keys)
}

func setupCompaction(flags *flag.FlagSet) func() error {
	c := commonFlags(flags)
	s := new(CompactionSpec)
	flags.StringVar(&s.Topic, "topic", "rig-compaction", "topic; created, and deleted afterwards")
	flags.Int64Var(&s.Bytes, "bytes", 1e9, "what is written before the cleaner may begin")
	flags.IntVar(&s.Keys, "keys", 50_000, "different keys")
	flags.IntVar(&s.RecordBytes, "record-bytes", 1024, "size of a record's value")
	return single(c, func(b *Broker) (Result, error) { return b.Compaction(*s) })
}

// Compaction writes a compacted topic that nothing may be cleaned of, then lets the cleaner at it and measures until
// the log has been at rest for a while. Cleaners look for work every fifteen seconds, so a time would be mostly that of
// waiting; the CPU time is all that the broker used, of which waiting is little, and a cleaner has one thread.
func (b *Broker) Compaction(s CompactionSpec) (Result, error) {
	r := Result{Kind: "compaction", Case: s.String()}
	text := func(value string) *string { return &value }
	configs := map[string]*string{"cleanup.policy": text("compact"), "segment.bytes": text("67108864"),
		"min.compaction.lag.ms": text("86400000")}
	if err := b.CreateTopicWith(s.Topic, 1, 1, configs); err != nil {
		return r, err
	}
	defer b.DeleteTopic(s.Topic)
	if err := b.writeKeys(s); err != nil {
		return r, err
	}
	err := b.WithAdmin(func(ctx context.Context, admin *kadm.Client) error {
		full, err := logBytes(ctx, admin, s.Topic)
		if err != nil {
			return err
		}
		before := b.Usage()
		none := kadm.AlterConfig{Op: kadm.SetConfig, Name: "min.compaction.lag.ms", Value: text("0")}
		soon := kadm.AlterConfig{Op: kadm.SetConfig, Name: "min.cleanable.dirty.ratio", Value: text("0.01")}
		if _, err := admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{none, soon}, s.Topic); err != nil {
			return err
		}
		ended, last := time.Time{}, full
		after := before
		for began := time.Now(); ; time.Sleep(50 * time.Millisecond) {
			bytes, err := logBytes(ctx, admin, s.Topic)
			if err != nil {
				return err
			}
			if bytes != last {
				last, ended, after = bytes, time.Now(), b.Usage()
			}
			if !ended.IsZero() && time.Since(ended) > 5*time.Second {
				break
			}
			if ended.IsZero() && time.Since(began) > time.Minute {
				return fmt.Errorf("nothing was cleaned")
			}
		}
		r.Add("log_mb_before", float64(full)/1e6)
		r.Add("log_mb_after", float64(last)/1e6)
		r.Add("compaction_cpu_s", (after.CPU - before.CPU).Seconds())
		return nil
	})
	return r, err
}

// writeKeys writes all keys again and again.
func (b *Broker) writeKeys(s CompactionSpec) error {
	leaders, err := b.leaders(s.Topic)
	if err != nil {
		return err
	}
	conn, err := dial(leaders[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	spec := ProduceSpec{Topic: s.Topic, Acks: -1}
	var frames []frame
	const recordsEach = 500
	for first := range s.Keys / recordsEach {
		keys := make([][]byte, recordsEach)
		for i := range keys {
			keys[i] = fmt.Appendf(nil, "key-%08d", first*recordsEach+i)
		}
		batch := newKeyedBatch(keys, s.RecordBytes, int64(first))
		frames = append(frames, produceFrame(spec, []int32{0}, batch))
	}
	l := new(load)
	done := make(chan struct{})
	go func() { l.send(conn, frames, 5); close(done) }()
	for l.valueBytes.Load() < s.Bytes && !l.stop.Load() {
		time.Sleep(10 * time.Millisecond)
	}
	err = l.finish()
	<-done
	return err
}

// logBytes is the size of the topic's only partition.
func logBytes(ctx context.Context, admin *kadm.Client, topic string) (int64, error) {
	all, err := admin.DescribeAllLogDirs(ctx, kadm.TopicsSet{topic: {0: {}}})
	if err != nil {
		return 0, err
	}
	var sizes []int64
	all.Each(func(dir kadm.DescribedLogDir) {
		dir.Topics.Each(func(p kadm.DescribedLogDirPartition) { sizes = append(sizes, p.Size) })
	})
	if len(sizes) == 0 {
		return 0, fmt.Errorf("no log of %s", topic)
	}
	return slices.Max(sizes), nil
}
