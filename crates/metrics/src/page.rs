//! The page of all metrics, in the text format of Prometheus or in OpenMetrics.
//!
//! Rooms put samples in whatever order they come by them; the page keeps those of a metric
//! together, as both formats ask. Must hold: whatever a label says, a line stays one line.

use std::fmt::Write;

use crate::histogram::{BOUNDS, Histogram};
use crate::number::Number;
use crate::row::{Kind, Row};
use crate::table::Metric;

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus, 0.0.4.
    Prometheus,
    /// OpenMetrics, 1.0.0.
    OpenMetrics,
}

impl Format {
    /// What an asker wants, by what it says it accepts.
    pub fn accepted(accept: &str) -> Format {
        match accept.contains("application/openmetrics-text") {
            true => Format::OpenMetrics,
            false => Format::Prometheus,
        }
    }

    /// What it is called in HTTP.
    pub fn content_type(self) -> &'static str {
        match self {
            Format::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Format::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Samples of metrics.
#[derive(Debug)]
pub struct Page {
    /// The lines of each metric.
    lines: Vec<String>,
}

impl Default for Page {
    fn default() -> Self {
        Page { lines: vec![String::new(); Metric::ALL.len()] }
    }
}

impl Page {
    /// A sample of a counter or gauge. A label whose value is empty is left out.
    pub fn put(&mut self, metric: Metric, labels: &[&str], value: impl Into<Number>) {
        let row = metric.row();
        self.line(metric, row.name, "", labels, None, value.into());
    }

    /// The samples of a histogram; none when nothing was observed.
    pub fn histogram(&mut self, metric: Metric, labels: &[&str], histogram: &Histogram) {
        let name = metric.row().name;
        let buckets = histogram.cumulative();
        let count = buckets[buckets.len() - 1];
        if count == 0 {
            return;
        }
        let bounds = BOUNDS.iter().map(|(_, text)| *text).chain(["+Inf"]);
        for (bound, count) in bounds.zip(buckets) {
            self.line(metric, name, "_bucket", labels, Some(bound), count.into());
        }
        self.line(metric, name, "_sum", labels, None, histogram.sum().as_secs_f64().into());
        self.line(metric, name, "_count", labels, None, count.into());
    }

    fn line(
        &mut self,
        metric: Metric,
        name: &str,
        end: &str,
        values: &[&str],
        bound: Option<&str>,
        value: Number,
    ) {
        let names = metric.row().labels;
        debug_assert_eq!(names.len(), values.len(), "{metric:?}");
        let line = &mut self.lines[metric as usize];
        line.push_str(name);
        line.push_str(end);
        let given = names.iter().zip(values).filter(|(_, value)| !value.is_empty());
        let mut before = '{';
        for (name, value) in
            given.map(|(name, value)| (*name, *value)).chain(bound.map(|le| ("le", le)))
        {
            line.push(before);
            line.push_str(name);
            line.push_str("=\"");
            escape(line, value, true);
            line.push('"');
            before = ',';
        }
        if before == ',' {
            line.push('}');
        }
        // Writing to a string never fails.
        let _ = writeln!(line, " {value}");
    }

    /// The whole page; metrics without a sample are not on it.
    pub fn text(&self, format: Format) -> String {
        let mut text =
            String::with_capacity(self.lines.iter().map(|lines| lines.len() + 300).sum());
        for (metric, lines) in Metric::ALL.iter().zip(&self.lines) {
            if !lines.is_empty() {
                head(&mut text, metric.row(), format);
                text.push_str(lines);
            }
        }
        if format == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }
}

fn head(text: &mut String, row: &Row, format: Format) {
    let name = match (row.kind, format) {
        (Kind::Counter, Format::OpenMetrics) => row.family(),
        _ => row.name,
    };
    let _ = write!(text, "# HELP {name} ");
    escape(text, row.help(), format == Format::OpenMetrics);
    let _ = writeln!(text, "\n# TYPE {name} {}", row.kind.name());
}

fn escape(text: &mut String, value: &str, quotes_too: bool) {
    for letter in value.chars() {
        match letter {
            '\\' => text.push_str("\\\\"),
            '\n' => text.push_str("\\n"),
            '"' if quotes_too => text.push_str("\\\""),
            letter => text.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn samples_of_a_metric_stand_together_whenever_they_were_put() {
        let mut page = Page::default();
        for topic in ["a", "b"] {
            page.put(Metric::LogSize, &[topic, "0"], 7_u64);
            page.put(Metric::LogEnd, &[topic, "0"], -1_i64);
        }
        let text = page.text(Format::Prometheus);
        let lines: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
        assert_eq!(
            lines,
            [
                "kafka_log_log_size{topic=\"a\",partition=\"0\"} 7",
                "kafka_log_log_size{topic=\"b\",partition=\"0\"} 7",
                "kafka_log_log_logendoffset{topic=\"a\",partition=\"0\"} -1",
                "kafka_log_log_logendoffset{topic=\"b\",partition=\"0\"} -1",
            ]
        );
    }

    #[test]
    fn a_label_cannot_break_its_line() {
        let mut page = Page::default();
        page.put(Metric::DirOffline, &["/a\"b\\c\nd"], true);
        let text = page.text(Format::Prometheus);
        assert!(text.ends_with("{logdirectory=\"/a\\\"b\\\\c\\nd\"} 1\n"), "{text}");
    }

    #[test]
    fn a_counter_has_its_family_without_an_end_in_openmetrics_alone() {
        let mut page = Page::default();
        page.put(Metric::BytesIn, &[""], 5_u64);
        page.put(Metric::CpuTime, &[], 0.5);
        let name = "kafka_server_brokertopicmetrics_bytesin";
        let open = page.text(Format::OpenMetrics);
        assert!(open.contains(&format!("# TYPE {name} counter\n{name}_total 5\n")), "{open}");
        assert!(open.ends_with("process_cpu_seconds_total 0.5\n# EOF\n"), "{open}");
        let plain = page.text(Format::Prometheus);
        assert!(plain.contains(&format!("# TYPE {name}_total counter\n{name}_total 5\n")));
        assert!(!plain.contains("EOF"));
    }

    #[test]
    fn a_histogram_shows_its_bounds_its_sum_and_its_count() {
        let (mut page, histogram) = (Page::default(), Histogram::default());
        page.histogram(Metric::RequestTime, &["Fetch"], &histogram);
        assert_eq!(page.text(Format::Prometheus), "");
        histogram.observe(Duration::from_micros(1_500));
        page.histogram(Metric::RequestTime, &["Fetch"], &histogram);
        let text = page.text(Format::Prometheus);
        for line in [
            "ottla_request_seconds_bucket{request=\"Fetch\",le=\"0.001\"} 0\n",
            "ottla_request_seconds_bucket{request=\"Fetch\",le=\"0.0025\"} 1\n",
            "ottla_request_seconds_bucket{request=\"Fetch\",le=\"+Inf\"} 1\n",
            "ottla_request_seconds_sum{request=\"Fetch\"} 0.0015\n",
            "ottla_request_seconds_count{request=\"Fetch\"} 1\n",
        ] {
            assert!(text.contains(line), "{line}{text}");
        }
    }

    #[test]
    fn an_asker_gets_openmetrics_when_it_says_so() {
        let prometheus = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3,*/*";
        assert_eq!(Format::accepted(prometheus), Format::OpenMetrics);
        assert_eq!(Format::accepted("text/html,*/*"), Format::Prometheus);
    }
}
