// The comparison: two brokers in turn, again and again on one machine, and the ratios of their
// medians. A turn is a short suite on a new data directory; whoever goes first changes each run.

package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// contender is one side of a comparison. In its command, {dir} stands for the
// turn's data directory, {port} and {port+1} for two free ports.
type contender struct{ name, start string }

// Comparison holds the reports of all turns.
type Comparison struct {
	Started     time.Time `json:"started"`
	Machine     string    `json:"machine"`
	LoadAverage []string  `json:"load_average_before_turn"` // of one minute
	Turns       []Report  `json:"turns"`
}

func setupCompare(flags *flag.FlagSet) func() error {
	var sides [2]contender
	var spec turnSpec
	for i, side := range []string{"a", "b"} {
		flags.StringVar(&sides[i].name, "name-"+side, side, "name and version of this side")
		flags.StringVar(&sides[i].start, "start-"+side, "",
			"command that becomes the broker, with {dir}, {port} and {port+1} (required)")
	}
	runs := flags.Int("runs", 5, "turns of each side")
	data := flags.String("data", "data", "folder for the turns' data directories; each is removed after its turn")
	out := flags.String("out", "", "file for all results as JSON")
	backed := flags.Int64("backed-gb", 0, "keep about so many GB of the machine's free memory backed by its host, and hold as many (backed.go)")
	spec.flags(flags)
	flags.DurationVar(&base.Duration, "duration", base.Duration, "of each throughput measurement")
	return func() error {
		if sides[0].start == "" || sides[1].start == "" || *runs < 1 {
			return errors.New("--start-a, --start-b and at least one run are required")
		}
		if sides[0].name == sides[1].name {
			return errors.New("--name-a and --name-b must differ")
		}
		if *backed > 0 {
			release, err := keepBacked(*backed << 30)
			if err != nil {
				return err
			}
			defer release()
		}
		return compare(os.Stdout, sides, spec, *runs, *data, *out)
	}
}

// compare takes the turns and prints the table, even of what there is after a failure.
func compare(w io.Writer, sides [2]contender, spec turnSpec, runs int, data, out string) error {
	c := Comparison{Started: time.Now().UTC().Truncate(time.Second), Machine: machine()}
	var failed error
	for i := range 2 * runs {
		side := sides[sideOfTurn(i)]
		c.LoadAverage = append(c.LoadAverage, loadAverage())
		fmt.Fprintf(os.Stderr, "== run %d of %d: %s, load average %s\n", i/2+1, runs, side.name, loadAverage())
		report, err := takeTurn(side, spec, filepath.Join(data, fmt.Sprintf("turn-%d", i+1)))
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s, run %d: %w", side.name, i/2+1, err))
		}
		c.Turns = append(c.Turns, report)
		if out != "" {
			text, err := json.MarshalIndent(c, "", " ")
			if err == nil {
				err = os.WriteFile(out, append(text, '\n'), 0o644)
			}
			failed = errors.Join(failed, err)
		}
	}
	c.writeTable(w)
	c.writeGoals(w)
	return failed
}

// sideOfTurn alternates who goes first: a b, b a, a b.
func sideOfTurn(turn int) int {
	return (turn/2 + turn) % 2
}

// takeTurn runs the phases against a broker of its own and removes its data.
func takeTurn(side contender, spec turnSpec, dir string) (Report, error) {
	report := Report{Started: time.Now().UTC().Truncate(time.Second), Machine: machine(), Subject: side.name}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return report, err
	}
	if entries, _ := os.ReadDir(dir); len(entries) > 0 {
		return report, fmt.Errorf("%s is not empty", dir)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return report, err
	}
	defer os.RemoveAll(dir)
	port, err := freePort()
	if err != nil {
		return report, err
	}
	s := &suite{Report: &report, command: side.command(filepath.Join(dir, "load"), port)}
	s.broker = &Broker{Seeds: []string{fmt.Sprintf("127.0.0.1:%d", port)}}
	defer s.stop(syscall.SIGTERM)
	spec.dir = dir
	fresh := func(i int) string { return side.command(filepath.Join(dir, fmt.Sprintf("start-%d", i)), port) }
	err = s.run(spec.phases, s.turn(spec, fresh))
	return report, errors.Join(err, s.failures())
}

func (c contender) command(dir string, port int) string {
	return strings.NewReplacer("{dir}", dir, "{port+1}", fmt.Sprint(port+1), "{port}", fmt.Sprint(port)).Replace(c.start)
}

// freePort returns a port that is free, as is the one above it.
func freePort() (int, error) {
	for range 100 {
		first, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return 0, err
		}
		port := first.Addr().(*net.TCPAddr).Port
		second, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port+1))
		first.Close()
		if err == nil {
			second.Close()
			return port, nil
		}
	}
	return 0, errors.New("no two free ports side by side")
}

func loadAverage() string {
	text, _ := os.ReadFile("/proc/loadavg")
	minute, _, _ := strings.Cut(string(text), " ")
	return minute
}

// headlines are the metrics of the table; the file of results has all.
var headlines = []string{
	"ready_s", "stop_s", "leaders_s", "mb_per_s", "records_per_s", "broker_cpu_s_per_gb", "request_p99_ms",
	"peak_rss_mb", "end_to_end_p50_ms", "end_to_end_p99_ms", "end_to_end_p99.9_ms", "create_s",
	"files_per_partition", "compaction_cpu_s", "join_s", "leave_s", "connect_s", "cpu_ms_per_connection",
	"txn_per_s", "broker_cpu_ms_per_txn", "txn_p99_ms", "join_broker_cpu_s", "commits_per_s", "commits_per_cpu_s",
	"first_fetch_s", "all_fetched_s", "wakes_per_s", "rss_kb_per_member", "rss_kb_per_group",
}

// headline reports whether the table has a metric; memory counts only when the broker rests.
func headline(kind, metric string) bool {
	return slices.Contains(headlines, metric) ||
		slices.Contains([]string{"idle", "members", "offsets"}, kind) &&
			slices.Contains([]string{"rss_mb", "threads", "cpu_percent"}, metric)
}

// sides returns the names in the order of the first turns.
func (c *Comparison) sides() (a, b string) {
	if len(c.Turns) == 0 {
		return "", ""
	}
	a = c.Turns[0].Subject
	for _, turn := range c.Turns {
		if turn.Subject != a {
			return a, turn.Subject
		}
	}
	return a, ""
}

// samples returns a metric's values over all turns of a side, in order of size.
func (c *Comparison) samples(side, kind, name, metric string) (values []float64) {
	for _, turn := range c.Turns {
		if turn.Subject != side {
			continue
		}
		for _, r := range turn.Results {
			if r.Kind != kind || r.Case != name {
				continue
			}
			if v, ok := r.metric(metric); ok {
				values = append(values, v)
			}
		}
	}
	slices.Sort(values)
	return values
}

// floor returns the values of the floor in the turns of both sides, in order of size.
func (c *Comparison) floor(kind, name, metric string) []float64 {
	a, b := c.sides()
	values := append(c.samples(a, floorKind(kind), name, metric), c.samples(b, floorKind(kind), name, metric)...)
	slices.Sort(values)
	return values
}

// writeTable prints medians with least and most, the ratio of b's median to a's, and those of both to the floor's.
func (c *Comparison) writeTable(w io.Writer) {
	a, b := c.sides()
	fmt.Fprintf(w, "%s, %s, load average before each turn %s\n\n",
		c.Machine, c.Started.Format(time.DateTime), strings.Join(c.LoadAverage, " "))
	fmt.Fprintf(w, "| measurement | metric | %s | %s | ratio | %s to the floor | %s to the floor |\n", a, b, a, b)
	fmt.Fprintf(w, "|---|---|---:|---:|---:|---:|---:|\n")
	done := map[[3]string]bool{}
	for _, turn := range c.Turns {
		for _, r := range turn.Results {
			for _, m := range r.Metrics {
				row := [3]string{r.Kind, r.Case, m.Name}
				if done[row] || !headline(r.Kind, m.Name) || strings.HasPrefix(r.Kind, floorKind("")) {
					continue
				}
				done[row] = true
				va, vb := c.samples(a, r.Kind, r.Case, m.Name), c.samples(b, r.Kind, r.Case, m.Name)
				var floor []float64
				if m.Name == "broker_cpu_s_per_gb" {
					floor = c.floor(r.Kind, r.Case, m.Name)
				}
				fmt.Fprintf(w, "| %s: %s | %s | %s | %s | %s | %s | %s |\n",
					r.Kind, r.Case, m.Name, spread(va), spread(vb), ratio(va, vb), ratio(floor, va), ratio(floor, vb))
			}
		}
	}
}

// median takes values in order of size.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

func spread(sorted []float64) string {
	if len(sorted) == 0 {
		return "not measured"
	}
	return fmt.Sprintf("%s (%s to %s)", number(median(sorted)), number(sorted[0]), number(sorted[len(sorted)-1]))
}

func ratio(a, b []float64) string {
	if len(a) == 0 || len(b) == 0 || median(a) == 0 {
		return ""
	}
	return fmt.Sprintf("%.3g", median(b)/median(a))
}
