// The worker of franz-go; ../../exactly-once/suite.py says what it does.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

var (
	what, bootstrap, prefix = os.Args[1], os.Args[2], os.Args[3]
	topics                  = os.Args[4:]
	ctx                     = context.Background()
)

// must ends the worker; whoever started it starts another.
func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "begins anew:", err)
		os.Exit(1)
	}
}

func options(name string, more ...kgo.Opt) []kgo.Opt {
	return append([]kgo.Opt{
		kgo.SeedBrokers(bootstrap),
		kgo.TransactionalID(prefix + "-" + name),
		kgo.TransactionTimeout(20 * time.Second),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.FetchMaxWait(200 * time.Millisecond),
	}, more...)
}

func producer(name string) *kgo.Client {
	made, err := kgo.NewClient(options(name)...)
	must(err)
	return made
}

func send(with *kgo.Client, topic string, partition int32, value string) {
	record := &kgo.Record{Topic: topic, Partition: partition, Value: []byte(value)}
	must(with.ProduceSync(ctx, record).FirstErr())
}

func atomic(topic string) {
	with := producer("atomic")
	for i := 0; i < 20; i++ {
		must(with.BeginTransaction())
		send(with, topic, 0, fmt.Sprint("a", i))
		send(with, topic, 1, fmt.Sprint("b", i))
		must(with.EndTransaction(ctx, kgo.TransactionEndTry(i%3 != 0)))
	}
}

func fenced(topic string) {
	first, second := producer("fenced"), producer("fenced")
	must(first.BeginTransaction())
	send(first, topic, 0, "late")
	must(second.BeginTransaction())
	send(second, topic, 0, "good")
	must(second.EndTransaction(ctx, kgo.TryCommit))
	err := first.EndTransaction(ctx, kgo.TryCommit)
	if errors.Is(err, kerr.ProducerFenced) || errors.Is(err, kerr.InvalidProducerEpoch) {
		fmt.Println("fenced")
	} else {
		must(fmt.Errorf("not fenced: %w", err))
	}
}

func transform(from, to string) {
	session, err := kgo.NewGroupTransactSession(options("transform",
		kgo.ConsumerGroup(prefix+"-transform"),
		kgo.InstanceID("only"),
		kgo.ConsumeTopics(from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
	)...)
	must(err)
	// That ends what a killed worker has left open.
	_, _, err = session.Client().ProducerID(ctx)
	must(err)
	for {
		records := session.PollRecords(ctx, 20).Records()
		if len(records) == 0 {
			continue
		}
		must(session.Begin())
		failed := kgo.AbortingFirstErrPromise(session.Client())
		for _, record := range records {
			value := append([]byte(record.Value), '!')
			session.Produce(ctx, &kgo.Record{
				Topic: to, Partition: record.Partition, Key: record.Key, Value: value,
			}, failed.Promise())
		}
		_, err := session.End(ctx, kgo.TransactionEndTry(failed.Err() == nil))
		must(err)
	}
}

func main() {
	switch what {
	case "atomic":
		atomic(topics[0])
	case "fenced":
		fenced(topics[0])
	case "transform":
		transform(topics[0], topics[1])
	}
}
