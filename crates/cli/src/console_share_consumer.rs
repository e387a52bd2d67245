//! `ottla console-share-consumer` (kafka-console-share-consumer.sh): prints records as a member of
//! a share group, and says of each that it is accepted, released or rejected.
//!
//! Records are printed as `console-consumer` prints them, with how often they were delivered. Must
//! hold: nothing is said of a record before it was printed, so that the group gives it to another
//! member else.

mod options;

use std::io::Write;
use std::time::Duration;

use ottla_client::{Client, ConsumerRecord, ShareConsumer, ShareConsumerSettings, Verdict};
use ottla_env::Instant;

use crate::client_options;
use crate::console_consumer::{Formatter, printing};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

pub(crate) use options::OPTIONS;

/// Prints records until there were enough, none came in time, or the user asks to stop.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    options::check(parsed)?;
    for notice in options::notices(parsed) {
        writeln!(context.out, "{notice}")?;
    }
    let formatter = Formatter::new(&options::formatter_properties(context, parsed)?)?;
    let formatter = formatter.of(printing(parsed)?);
    let mut consuming = ShareConsumerSettings::default();
    let properties = options::consumer_properties(context, parsed)?;
    let settings = client_options::settings(parsed, &properties, CLIENT_ID, &mut [&mut consuming])?;
    let client = Client::connect(context.env.clone(), settings).await?;
    let topic = parsed.text("topic")?.unwrap_or_default();
    let mut reading = Reading {
        consumer: ShareConsumer::new(&client, consuming, &[topic])?,
        formatter,
        verdict: match (parsed.has("release"), parsed.has("reject")) {
            (true, _) => Verdict::Release,
            (_, true) => Verdict::Reject,
            _ => Verdict::Accept,
        },
        rejects_errors: parsed.has("reject-message-on-error"),
        records_max: parsed.number::<i64>("max-messages")?.filter(|count| *count >= 0),
        silence_max: parsed.number("timeout-ms")?.map(Duration::from_millis),
        printed: 0,
    };
    let outcome = reading.read(context).await;
    context.out.flush()?;
    let closed = reading.consumer.close().await;
    client.close().await;
    writeln!(context.err, "Processed a total of {} messages", reading.printed)?;
    if parsed.has("enable-systest-events") {
        writeln!(context.out, "shutdown_complete")?;
    }
    outcome.and(closed.map_err(Failure::from))
}

/// The consumer at work.
struct Reading {
    consumer: ShareConsumer,
    formatter: Formatter,
    verdict: Verdict,
    /// What cannot be printed is rejected, and does not end the command.
    rejects_errors: bool,
    records_max: Option<i64>,
    silence_max: Option<Duration>,
    printed: i64,
}

impl Reading {
    fn has_enough(&self) -> bool {
        self.records_max.is_some_and(|max| self.printed >= max)
    }

    async fn read(&mut self, context: &mut Context) -> Result<(), Failure> {
        let mut heard = context.env.monotonic();
        while !self.has_enough() {
            let patience = self.patience(context, heard);
            let polled = tokio::select! {
                biased;
                () = context.stopped() => return Ok(()),
                polled = self.consumer.poll(patience) => polled?,
            };
            if polled.is_empty() {
                let silence = context.env.monotonic() - heard;
                if self.silence_max.is_some_and(|max| silence >= max) {
                    let silence = silence.as_millis();
                    writeln!(context.err, "no record came for {silence} ms (--timeout-ms)")?;
                    return Ok(());
                }
                continue;
            }
            self.print(context, &polled)?;
            context.out.flush()?;
            heard = context.env.monotonic();
        }
        Ok(())
    }

    /// How long to wait for records before it is looked whether to end.
    fn patience(&self, context: &Context, heard: Instant) -> Duration {
        let silent = context.env.monotonic() - heard;
        let left = self.silence_max.map(|max| max.saturating_sub(silent));
        left.unwrap_or(POLL).min(POLL)
    }

    /// Prints as many records as are still wanted; nothing is said of the others.
    fn print(&mut self, context: &mut Context, records: &[ConsumerRecord]) -> Result<(), Failure> {
        for record in records {
            if self.has_enough() {
                return Ok(());
            }
            let verdict = match self.formatter.bytes(record) {
                Ok(bytes) => {
                    context.out.write_all(&bytes)?;
                    self.verdict
                }
                Err(failure) if self.rejects_errors => {
                    writeln!(context.err, "{failure}")?;
                    Verdict::Reject
                }
                Err(failure) => return Err(failure),
            };
            self.consumer.acknowledge(record, verdict);
            self.printed += 1;
        }
        Ok(())
    }
}

/// How long one poll waits.
const POLL: Duration = Duration::from_secs(1);
/// What brokers log for this command.
const CLIENT_ID: &str = "console-share-consumer";
