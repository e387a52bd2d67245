// What is to be reached: the goals that the project has set itself, each a number that a comparison
// gives, and whether it was reached. A short turn measures what they need and nothing else.

package main

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"time"
)

// goal is one number that shall not be above, or not below, a limit.
type goal struct {
	name    string
	limit   float64
	atLeast bool // the limit is the least instead of the most
	value   func(c *Comparison) (float64, bool)
}

// wanted is the limit as the table shows it.
func (g goal) wanted() string {
	if g.atLeast {
		return "at least " + number(g.limit)
	}
	return "at most " + number(g.limit)
}

func (g goal) reached(value float64) string {
	if g.atLeast == (value >= g.limit) || value == g.limit {
		return "yes"
	}
	return "no"
}

// measured is a median, of something that was measured.
type measured func(c *Comparison) (float64, bool)

func sorted(values []float64) (float64, bool) {
	if len(values) == 0 {
		return 0, false
	}
	return median(values), true
}

// first and second are the two sides: what is compared with, and what is judged.
func first(kind, name, metric string) measured {
	return func(c *Comparison) (float64, bool) {
		a, _ := c.sides()
		return sorted(c.samples(a, kind, name, metric))
	}
}

func second(kind, name, metric string) measured {
	return func(c *Comparison) (float64, bool) {
		_, b := c.sides()
		return sorted(c.samples(b, kind, name, metric))
	}
}

func ofFloor(kind, name, metric string) measured {
	return func(c *Comparison) (float64, bool) { return sorted(c.floor(kind, name, metric)) }
}

// over is a quotient.
func over(above, below measured) measured {
	return func(c *Comparison) (float64, bool) {
		x, ok := above(c)
		y, okay := below(c)
		return x / y, ok && okay && y != 0
	}
}

func times(factor float64, of measured) measured {
	return func(c *Comparison) (float64, bool) {
		v, ok := of(c)
		return factor * v, ok
	}
}

func larger(x, y measured) measured {
	return func(c *Comparison) (float64, bool) {
		a, ok := x(c)
		b, okay := y(c)
		return max(a, b), ok && okay
	}
}

// toFirst is the second side's part of what the first has.
func toFirst(kind, name, metric string) measured {
	return over(second(kind, name, metric), first(kind, name, metric))
}

// goals are the project's, in the order of the phases.
func goals() (all []goal) {
	most := func(limit float64, name string, value measured) {
		all = append(all, goal{name, limit, false, value})
	}
	least := func(limit float64, name string, value measured) {
		all = append(all, goal{name, limit, true, value})
	}
	const cpu = "broker_cpu_s_per_gb"
	produce := func(partitions, batch int) string {
		spec := base
		spec.Partitions, spec.BatchBytes = partitions, batch
		return spec.String()
	}
	most(0.25, "16 KiB batches, one partition: CPU time, to Kafka's", toFirst("produce", produce(1, 16<<10), cpu))
	most(0.4, "16 KiB batches, twelve partitions: CPU time, to Kafka's", toFirst("produce", produce(12, 16<<10), cpu))
	for _, partitions := range []int{1, 12} {
		large := produce(partitions, 1<<20)
		most(1.3, fmt.Sprintf("1 MiB batches, partitions=%d: CPU time, to the floor's", partitions),
			over(second("produce", large, cpu), ofFloor("produce", large, cpu)))
		most(0.7, fmt.Sprintf("1 MiB batches, partitions=%d: CPU time, to Kafka's", partitions), toFirst("produce", large, cpu))
	}
	one := oneByOne().String()
	perSecond := func(side func(kind, name, metric string) measured) measured {
		return over(side("produce", one, "records_per_s"), side("produce", one, "broker_cores"))
	}
	least(4, "requests of one record: records for each CPU-second, to Kafka's", over(perSecond(second), perSecond(first)))
	for _, codec := range codecNames {
		spec := base
		spec.Codec = codec
		most(0.5, codec+": CPU time, to Kafka's", toFirst("produce", spec.String(), cpu))
	}
	for _, batch := range []int{16 << 10, 1 << 20} {
		spec := catchUp(batch)
		name := spec.String()
		bound := larger(first("fetch", name, cpu), times(1.1, ofFloor("fetch", name, cpu)))
		most(1, fmt.Sprintf("catch-up, batch=%s: CPU time, to the larger of Kafka's and 1.1 times the floor's", size(batch)),
			over(second("fetch", name, cpu), bound))
	}
	fast := latencySpec(20_000)
	most(0.5, "20,000 records a second: p99 of end-to-end latency, to Kafka's", toFirst("latency", fast.String(), "end_to_end_p99_ms"))
	most(0.2, "20,000 records a second: p99.9 of end-to-end latency, to Kafka's", toFirst("latency", fast.String(), "end_to_end_p99.9_ms"))
	alone, beside := latencySpec(1000).String(), besideSpec(latencySpec(1000)).String()
	most(1.5, "1,000 records a second: p99 of end-to-end latency beside a catch-up reader, to that without",
		over(second("latency", beside, "end_to_end_p99_ms"), second("latency", alone, "end_to_end_p99_ms")))
	for _, partitions := range []int{1, 12} {
		with, without := durableSpec(partitions, true), durableSpec(partitions, false)
		least(0.5, fmt.Sprintf("a sync for each acknowledgement, partitions=%d: MB/s, to those without", partitions),
			over(second("produce", with.String(), "mb_per_s"), second("produce", without.String(), "mb_per_s")))
	}
	most(0.5, "compaction: CPU time, to Kafka's", toFirst("compaction", compactionSpec(1e9).String(), "compaction_cpu_s"))
	most(1, "after kill -9 with 2 GB of log: seconds until all partitions are led", second("startup", killed(2e9), "leaders_s"))
	most(0.1, "2,000 partitions: time to create them, to Kafka's", toFirst("partitions", "2000", "create_s"))
	most(2, "2,000 partitions: KB of memory for each", second("partitions", "2000", "rss_kb_per_partition"))
	return append(all, groupGoals()...)
}

// writeGoals prints the goals whose figures were measured, and whether each was reached.
func (c *Comparison) writeGoals(w io.Writer) {
	var rows strings.Builder
	for _, g := range goals() {
		if value, ok := g.value(c); ok {
			fmt.Fprintf(&rows, "| %s | %.3g | %s | %s |\n", g.name, value, g.wanted(), g.reached(value))
		}
	}
	if rows.Len() > 0 {
		fmt.Fprintf(w, "\n| goal | measured | wanted | reached |\n|---|---:|---:|---|\n%s", rows.String())
	}
}

// goalTurn returns the phases that measure what the goals need: three runs of both sides in a
// quarter of an hour.
func (s *suite) goalTurn(spec turnSpec) []phase {
	return []phase{
		{"startup", func() { s.start("first start, with formatting", "") }},
		{"produce", func() { s.warm(base, 3*time.Second); s.besideFloor(spec.dir, s.produceBesideFloor) }},
		{"small", func() { s.try(s.broker.Produce(oneByOne())) }},
		{"codecs", s.turnCodecs},
		{"fetch", func() { s.besideFloor(spec.dir, s.fetchBesideFloor) }},
		{"latency", func() { s.try(s.broker.Latency(latencySpec(20_000))) }},
		{"beside", s.turnBeside},
		{"durable", s.turnDurable},
		{"compaction", func() { s.try(s.broker.Compaction(compactionSpec(spec.cleanBytes))) }},
		{"partitions", func() { s.try(s.broker.Partitions("rig-partitions", spec.partitions)) }},
		{"recovery", func() {
			if s.fillAndKill(spec.recoveryBytes) {
				s.stop(syscall.SIGTERM)
			}
		}},
	}
}

// besideFloor measures with a floor at hand: a case and the floor's right after it find memory and
// disk in the same state, which is half of what long writes cost.
func (s *suite) besideFloor(dir string, measure func(floor *Broker)) {
	err := withFloor(dir, func(floor *Broker) error { measure(floor); return nil })
	if err != nil {
		s.try(Result{Kind: "floor"}, err)
	}
}

func (s *suite) produceBesideFloor(floor *Broker) {
	for _, spec := range produceSpecs() {
		s.try(s.broker.Produce(spec))
		s.try(floor.floorProduce(spec))
	}
}

func (s *suite) fetchBesideFloor(floor *Broker) {
	for _, batch := range []int{16 << 10, 1 << 20} {
		s.try(s.broker.Fetch(catchUp(batch)))
		s.try(floor.floorFetch(catchUp(batch)))
	}
}
