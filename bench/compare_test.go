package main

import (
	"strings"
	"testing"
)

func TestEachSideGoesFirstInTurn(t *testing.T) {
	order := ""
	for turn := range 8 {
		order += string("ab"[sideOfTurn(turn)])
	}
	if order != "abbaabba" {
		t.Errorf("the order is %s", order)
	}
}

func TestACommandGetsItsFolderAndPorts(t *testing.T) {
	c := contender{start: "broker --dir {dir} --port {port} --control {port+1}"}
	if got, want := c.command("/d", 9000), "broker --dir /d --port 9000 --control 9001"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMediansOfOddAndEvenCounts(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{{[]float64{7}, 7}, {[]float64{1, 3}, 2}, {[]float64{1, 5, 100}, 5}, {[]float64{1, 2, 4, 9}, 3}} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v is %v, want %v", c.values, got, c.want)
		}
	}
}

func TestTheTableHasMediansSpreadAndRatios(t *testing.T) {
	turn := func(subject string, speed float64) Report {
		r := Result{Kind: "produce", Case: "small"}
		r.Add("mb_per_s", speed)
		r.Add("rig_cores", 1)
		return Report{Subject: subject, Results: []Result{r}}
	}
	c := Comparison{Turns: []Report{turn("A", 10), turn("B", 40), turn("B", 30), turn("A", 30), turn("A", 20), turn("B", 20)}}
	idle := Result{Kind: "idle", Case: "resting"}
	idle.Add("rss_mb", 5)
	c.Turns[1].Results = append(c.Turns[1].Results, idle)
	for i, turn := range c.Turns {
		cost, floor := Result{Kind: "fetch", Case: "all"}, Result{Kind: floorKind("fetch"), Case: "all"}
		cost.Add("broker_cpu_s_per_gb", map[string]float64{"A": 4, "B": 3}[turn.Subject])
		floor.Add("broker_cpu_s_per_gb", 2)
		c.Turns[i].Results = append(turn.Results, cost, floor)
	}
	var out strings.Builder
	c.writeTable(&out)
	_, rows, _ := strings.Cut(out.String(), "---:|\n")
	want := "| produce: small | mb_per_s | 20 (10 to 30) | 30 (20 to 40) | 1.5 |  |  |\n" +
		"| fetch: all | broker_cpu_s_per_gb | 4 (4 to 4) | 3 (3 to 3) | 0.75 | 2 | 1.5 |\n" +
		"| idle: resting | rss_mb | not measured | 5 (5 to 5) |  |  |  |\n"
	if rows != want {
		t.Errorf("got\n%swant\n%s", rows, want)
	}
}

func TestAGoalIsReachedFromItsSideOfTheLimit(t *testing.T) {
	most, least := goal{limit: 2}, goal{limit: 2, atLeast: true}
	got := ""
	for _, value := range []float64{1, 2, 3} {
		got += most.reached(value) + " " + least.reached(value) + " "
	}
	if got != "yes no yes yes no yes " {
		t.Errorf("got %q", got)
	}
}

func TestGoalsAreToldOfWhatWasMeasured(t *testing.T) {
	turn := func(subject string, without, with, seconds float64) Report {
		slow, fast, killing := Result{Kind: "produce", Case: durableSpec(1, true).String()},
			Result{Kind: "produce", Case: durableSpec(1, false).String()}, Result{Kind: "startup", Case: killed(2e9)}
		slow.Add("mb_per_s", with)
		fast.Add("mb_per_s", without)
		killing.Add("leaders_s", seconds)
		return Report{Subject: subject, Results: []Result{slow, fast, killing}}
	}
	c := Comparison{Turns: []Report{turn("A", 100, 10, 9), turn("B", 100, 60, 1.5)}}
	var out strings.Builder
	c.writeGoals(&out)
	_, rows, _ := strings.Cut(out.String(), "---|\n")
	want := "| a sync for each acknowledgement, partitions=1: MB/s, to those without | 0.6 | at least 0.5 | yes |\n" +
		"| after kill -9 with 2 GB of log: seconds until all partitions are led | 1.5 | at most 1 | no |\n"
	if rows != want {
		t.Errorf("got\n%swant\n%s", rows, want)
	}
}
