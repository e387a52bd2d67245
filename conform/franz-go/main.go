// What franz-go must show: `franz-go <bootstrap>`. Its lines are the contract in ../README.md.
package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"reflect"
	"sort"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const featureLimit = 60 * time.Second

var (
	bootstrap = os.Args[1]
	prefix    = fmt.Sprintf("franz-go-%d", time.Now().UnixMilli())
	stdin     = bufio.NewReader(os.Stdin)
	admin     = kadm.NewClient(client())
	ctx       = context.Background()
)

// must ends the feature; run reports it.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func equal(what string, got, want any) {
	if !reflect.DeepEqual(got, want) {
		panic(fmt.Errorf("%s: got %v, want %v", what, got, want))
	}
}

func until(what string, condition func() bool) {
	for end := time.Now().Add(30 * time.Second); !condition(); {
		if time.Now().After(end) {
			panic(fmt.Errorf("not within 30 s: %s", what))
		}
	}
}

func client(more ...kgo.Opt) *kgo.Client {
	made, err := kgo.NewClient(append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(200 * time.Millisecond),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	}, more...)...)
	must(err)
	return made
}

func topic(name string, partitions int32) string {
	name = prefix + "-" + name
	_, err := admin.CreateTopic(ctx, partitions, 1, nil, name)
	must(err)
	return name
}

func values(from, to int) (records []*kgo.Record) {
	for i := from; i < to; i++ {
		records = append(records, &kgo.Record{Key: []byte("k"), Value: fmt.Appendf(nil, "v%d", i)})
	}
	return records
}

func send(with *kgo.Client, topic string, records []*kgo.Record) (offsets []int64) {
	for _, record := range records {
		record.Topic = topic
	}
	for _, result := range with.ProduceSync(ctx, records...) {
		must(result.Err)
		offsets = append(offsets, result.Record.Offset)
	}
	return offsets
}

// poll is one fetch; errors of a broker that is away pass.
func poll(from *kgo.Client) []*kgo.Record {
	limited, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	return from.PollFetches(limited).Records()
}

func read(topic string, offset int64, count int) (got []*kgo.Record) {
	reader := client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{
		topic: {0: kgo.NewOffset().At(offset)},
	}))
	defer reader.Close()
	until(fmt.Sprint(count, " records"), func() bool {
		got = append(got, poll(reader)...)
		return len(got) >= count
	})
	return got
}

func texts(records []*kgo.Record) (found []string) {
	for _, record := range records {
		found = append(found, string(record.Value))
	}
	return found
}

func roundTrip(name string, records []*kgo.Record, how ...kgo.Opt) []*kgo.Record {
	to := topic(name, 1)
	producer := client(how...)
	defer producer.Close()
	send(producer, to, records)
	got := read(to, 0, len(records))
	equal("values", texts(got), texts(records))
	return got
}

func topics() {
	name := topic("topics", 3)
	until("three partitions", func() bool {
		// Not at once: a broker may answer before it has replayed what the controller decided.
		found, err := admin.ListTopics(ctx, name)
		must(err)
		return len(found[name].Partitions) == 3
	})
	_, err := admin.CreateTopic(ctx, 1, 1, nil, name)
	equal("creating it twice", errors.Is(err, kerr.TopicAlreadyExists), true)
	_, err = admin.DeleteTopic(ctx, name)
	must(err)
	until("the topic is gone", func() bool {
		found, err := admin.ListTopics(ctx)
		must(err)
		return !found.Has(name)
	})
}

func acks(name string, acks kgo.Acks) func() {
	return func() {
		how := []kgo.Opt{kgo.RequiredAcks(acks)}
		if acks != kgo.AllISRAcks() {
			how = append(how, kgo.DisableIdempotentWrite())
		}
		roundTrip(name, values(0, 20), how...)
	}
}

func codec(name string, codec kgo.CompressionCodec) func() {
	return func() {
		records := values(0, 50)
		for _, record := range records {
			record.Value = append(record.Value, strings.Repeat("abc", 400)...)
		}
		noise := make([]byte, 3000)
		_, _ = rand.Read(noise)
		records = append(records, &kgo.Record{Value: noise})
		roundTrip(name, records, kgo.ProducerBatchCompression(codec))
	}
}

func headers() {
	sent := []kgo.RecordHeader{
		{Key: "a", Value: []byte("1")}, {Key: "b", Value: []byte{}}, {Key: "null"},
		{Key: "a", Value: []byte("2")}, {Key: "é", Value: []byte{0, 255}},
	}
	got := roundTrip("headers", []*kgo.Record{{Value: []byte("v"), Headers: sent}})
	equal("headers", got[0].Headers, sent)
}

func nullkeys() {
	got := roundTrip("nullkeys", []*kgo.Record{{Value: []byte("x")}, {Key: []byte{}, Value: []byte("y")}})
	equal("null and empty key", []bool{got[0].Key == nil, got[1].Key == nil}, []bool{true, false})
}

func tombstones() {
	got := roundTrip("tombstones", []*kgo.Record{{Key: []byte("k")}, {Key: []byte("k"), Value: []byte{}}})
	equal("null and empty value", []bool{got[0].Value == nil, got[1].Value == nil}, []bool{true, false})
}

// member counts what it owns; callbacks come from within poll.
type member struct {
	*kgo.Client
	owned map[int32]bool
	got   []*kgo.Record
}

func join(group, topic string) *member {
	self := &member{owned: map[int32]bool{}}
	change := func(owns bool) func(context.Context, *kgo.Client, map[string][]int32) {
		return func(_ context.Context, _ *kgo.Client, changed map[string][]int32) {
			for _, partition := range changed[topic] {
				if owns {
					self.owned[partition] = true
				} else {
					delete(self.owned, partition)
				}
			}
		}
	}
	self.Client = client(kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic), kgo.BlockRebalanceOnPoll(),
		kgo.DisableAutoCommit(), kgo.HeartbeatInterval(500*time.Millisecond), kgo.SessionTimeout(10*time.Second),
		kgo.OnPartitionsAssigned(change(true)), kgo.OnPartitionsRevoked(change(false)),
		kgo.OnPartitionsLost(change(false)))
	return self
}

func (m *member) poll() {
	m.got = append(m.got, poll(m.Client)...)
	m.AllowRebalance()
}

func group() {
	name := topic("group", 2)
	first := join(prefix+"-group", name)
	defer func() { first.Close() }()
	until("one member owns both", func() bool { first.poll(); return len(first.owned) == 2 })
	second := join(prefix+"-group", name)
	both := func() bool {
		first.poll()
		second.poll()
		return len(first.owned) == 1 && len(second.owned) == 1
	}
	until("each owns one", both)
	sent := append(values(0, 20), values(20, 40)...)
	for i, record := range sent {
		record.Partition = int32(i / 20)
	}
	send(first.Client, name, sent)
	until("both read all", func() bool { return both() && len(first.got)+len(second.got) >= 40 })
	all := append(texts(first.got), texts(second.got)...)
	want := texts(sent)
	sort.Strings(all)
	sort.Strings(want)
	equal("values", all, want)
	must(first.CommitUncommittedOffsets(ctx))
	must(second.CommitUncommittedOffsets(ctx))
	second.Close()
	until("the one that stays owns both", func() bool { first.poll(); return len(first.owned) == 2 })
	first.got = nil
	send(first.Client, name, []*kgo.Record{{Value: []byte("a")}, {Value: []byte("b"), Partition: 1}})
	until("it reads both", func() bool { first.poll(); return len(first.got) >= 2 })
	equal("late values", len(first.got), 2)
}

func committed(group, topic string) (kadm.OffsetResponse, bool) {
	found, err := admin.FetchOffsets(ctx, group)
	if err != nil {
		return kadm.OffsetResponse{}, false
	}
	return found.Lookup(topic, 0)
}

func commit() {
	name := topic("commit", 1)
	send(client(), name, values(0, 30))
	reader := join(prefix+"-commit", name)
	until("30 records", func() bool { reader.poll(); return len(reader.got) >= 30 })
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: name, At: 12, LeaderEpoch: -1, Metadata: "twelve"})
	reader.Close()
	must(admin.CommitAllOffsets(ctx, prefix+"-commit", offsets))
	found, _ := committed(prefix+"-commit", name)
	equal("committed", []any{found.At, found.Metadata}, []any{int64(12), "twelve"})
	next := join(prefix+"-commit", name)
	until("18 records", func() bool { next.poll(); return len(next.got) >= 18 })
	equal("goes on at", next.got[0].Offset, int64(12))
	must(next.CommitUncommittedOffsets(ctx))
	found, _ = committed(prefix+"-commit", name)
	equal("committed by the member", found.At, int64(30))
	next.Close()
}

func seek() {
	name := topic("seek", 1)
	base := time.Now().Add(-100 * time.Second).Truncate(time.Second)
	records := values(0, 20)
	for i, record := range records {
		record.Timestamp = base.Add(time.Duration(i) * time.Second)
	}
	send(client(), name, records)
	for _, offset := range []int64{7, 0, 19} {
		equal("offset after seek", read(name, offset, 1)[0].Offset, offset)
	}
	start, err := admin.ListStartOffsets(ctx, name)
	must(err)
	end, err := admin.ListEndOffsets(ctx, name)
	must(err)
	at, err := admin.ListOffsetsAfterMilli(ctx, base.UnixMilli()+6500, name)
	must(err)
	equal("start, end, offset for time",
		[]int64{start[name][0].Offset, end[name][0].Offset, at[name][0].Offset}, []int64{0, 20, 7})
}

func restart() {
	name := topic("restart", 1)
	producer, reader := client(), join(prefix+"-restart", name)
	defer producer.Close()
	defer reader.Close()
	send(producer, name, values(0, 50))
	until("50 records", func() bool { reader.poll(); return len(reader.got) >= 50 })
	reader.CommitOffsetsSync(ctx, map[string]map[int32]kgo.EpochOffset{name: {0: {Epoch: -1, Offset: 20}}},
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, _ *kmsg.OffsetCommitResponse, err error) { must(err) })
	fmt.Println("@restart")
	_, err := stdin.ReadString('\n')
	must(err)
	until("the committed offset", func() bool { at, ok := committed(prefix+"-restart", name); return ok && at.At == 20 })
	equal("offsets go on", send(producer, name, values(50, 100))[0], int64(50))
	until("all values", func() bool {
		reader.poll()
		seen := map[string]bool{}
		for _, value := range texts(reader.got) {
			seen[value] = true
		}
		return len(seen) == 100
	})
	equal("log", texts(read(name, 0, 100)), texts(values(0, 100)))
}

func run(feature string, body func()) {
	done := make(chan any, 1)
	go func() {
		defer func() { done <- recover() }()
		body()
	}()
	var failure any
	select {
	case failure = <-done:
	case <-time.After(featureLimit):
		failure = fmt.Sprint("not within ", featureLimit)
	}
	if failure == nil {
		fmt.Println("ok", feature)
	} else {
		fmt.Println("FAIL", feature, strings.Join(strings.Fields(fmt.Sprint(failure)), " "))
	}
}

func main() {
	run("topics", topics)
	run("acks-0", acks("acks0", kgo.NoAck()))
	run("acks-1", acks("acks1", kgo.LeaderAck()))
	run("acks-all", acks("acksall", kgo.AllISRAcks()))
	run("gzip", codec("gzip", kgo.GzipCompression()))
	run("snappy", codec("snappy", kgo.SnappyCompression()))
	run("lz4", codec("lz4", kgo.Lz4Compression()))
	run("zstd", codec("zstd", kgo.ZstdCompression()))
	run("headers", headers)
	run("nullkeys", nullkeys)
	run("tombstones", tombstones)
	run("group", group)
	run("commit", commit)
	run("seek", seek)
	run("restart", restart)
}
