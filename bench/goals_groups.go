// The goals of transactions and groups.

package main

// initialDelay is group.initial.rebalance.delay.ms as brokers are shipped, in seconds. A classic group
// whose members all come within it waits for two of them, by Kafka's rule.
const initialDelay = 3

func groupGoals() []goal {
	member, offsets := membersCase(1000, 10), offsetsCase(10_000, 10)
	ofOne := transactionsCase(1, 1, quickRetry)
	classic, consumer := groupCase("classic", 100), groupCase("consumer", 100)
	all := []goal{
		{"transactions of one producer: rate, to Kafka's", 5, true, toFirst("txn", ofOne, "txn_per_s")},
		{"transactions of one producer: CPU time of each, to Kafka's", 0.5, false, toFirst("txn", ofOne, "broker_cpu_ms_per_txn")},
		{"100 classic members: seconds until settled", 2*initialDelay + 0.3, false, second("group", classic, "join_s")},
		{"100 classic members, no delay: seconds until settled", 0.3, false, second("group", classic+withoutDelayCase, "join_s")},
		{"100 KIP-848 members: time until settled, to Kafka's", 0.25, false, toFirst("group", consumer, "join_s")},
		{"100 KIP-848 members: time until others took over, to Kafka's", 0.25, false, toFirst("group", consumer, "leave_s")},
		{"1,000 groups of 10: time until settled, to Kafka's", 1, false, toFirst("members", member, "join_s")},
		{"1,000 groups of 10: CPU time until settled, to Kafka's", 1, false, toFirst("members", member, "join_broker_cpu_s")},
		{"1,000 groups of 10: KB of memory for each member", 4, false, second("members", member, "rss_kb_per_member")},
		{"one group of 1,000: time until settled, to Kafka's", 1, false, toFirst("members", membersCase(1, 1000), "join_s")},
		{"one classic group of 1,000: time until settled, to Kafka's", 1, false, toFirst("members", classicCase(1000), "join_s")},
	}
	for _, partitions := range []int{1, 20} {
		all = append(all, goal{"offset commits for each CPU-second, to Kafka's, partitions=" + number(float64(partitions)), 3, true,
			toFirst("commits", commitSpec(partitions).String(), "commits_per_cpu_s")})
	}
	return append(all,
		goal{"10,000 groups at rest: KB of memory for each, with ten offsets", 4, false, second("offsets", offsets+" at rest", "rss_kb_per_group")},
		goal{"10,000 groups at rest: wakes a second more than without any", 1, false,
			less(second("offsets", offsets+" at rest", "wakes_per_s"), second("offsets", offsets+" at rest", "wakes_per_s_before"))},
		goal{"100,000 offsets: seconds from a start after a clean stop to the first OffsetFetch", 1, false, second("offsets", offsets+" after a clean stop", "first_fetch_s")},
		goal{"100,000 offsets: seconds from a start after kill -9 to the first OffsetFetch", 1, false, second("offsets", offsets+" after kill -9", "first_fetch_s")},
	)
}

// less is a difference.
func less(x, y measured) measured {
	return func(c *Comparison) (float64, bool) {
		a, ok := x(c)
		b, okay := y(c)
		return a - b, ok && okay
	}
}
