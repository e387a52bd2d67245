//! `ottla console-consumer` (kafka-console-consumer.sh): prints records as they come.
//!
//! Not here: how a record is printed (console_consumer/formatter.rs, and printing.rs for those of
//! Kafka's own topics). Must hold: what was not printed is not committed.

mod formatter;
mod options;
mod printing;

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use ottla_client::{
    Client, Consumer, ConsumerRecord, ConsumerSettings, OffsetReset, TopicPartition, admin,
};
use ottla_env::Instant;
use ottla_wire::{Offset, PartitionIndex, StrBytes};
use regex::Regex;

use crate::client_options;
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;
use crate::partition_filter::topic_expression;

pub(crate) use formatter::Formatter;
use options::Start;
pub(crate) use options::{
    OPTIONS, deserializers, formatter_keys, formatter_properties, formatters, printing,
};
pub(crate) use printing::DEFAULT as DEFAULT_FORMATTER;

/// Prints records until there were enough, none came in time, or the user asks to stop.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    options::check(parsed)?;
    for notice in options::notices(parsed) {
        writeln!(context.out, "{notice}")?;
    }
    let start = options::start(parsed)?;
    let formatter = Formatter::new(&options::formatter_properties(context, parsed)?)?;
    let formatter = formatter.of(options::printing(parsed)?);
    let include = parsed.text("include")?.map(topic_expression).transpose()?;
    let limits = Limits {
        records: parsed.number::<i64>("max-messages")?.filter(|count| *count >= 0),
        silence: parsed.number("timeout-ms")?.map(Duration::from_millis),
    };
    let mut consuming = ConsumerSettings::default();
    let properties = options::consumer_properties(context, parsed, context.env.random_u64())?;
    let settings = client_options::settings(parsed, &properties, CLIENT_ID, &mut [&mut consuming])?;
    let client = Client::connect(context.env.clone(), settings).await?;
    if start.partition.is_some() && consuming.group_id.take().is_some() {
        consuming.enable_auto_commit = false;
    }
    if matches!(start.offset, Some(Offset(-2))) && start.partition.is_none() {
        consuming.offset_reset = OffsetReset::Earliest;
    }
    let consumer = Consumer::new(&client, consuming);
    let mut reading = Reading { consumer, formatter, limits, include, printed: 0 };
    let outcome = reading.begin(&client, parsed.text("topic")?, &start).await;
    let outcome = match outcome {
        Ok(()) => reading.read(context, &client, parsed.has("skip-message-on-error")).await,
        Err(failure) => Err(failure),
    };
    context.out.flush()?;
    let closed = reading.consumer.close().await;
    client.close().await;
    writeln!(context.err, "Processed a total of {} messages", reading.printed)?;
    if parsed.has("enable-systest-events") {
        writeln!(context.out, "shutdown_complete")?;
    }
    outcome.and(closed.map_err(Failure::from))
}

/// When to end.
struct Limits {
    records: Option<i64>,
    silence: Option<Duration>,
}

/// The consumer at work.
struct Reading {
    consumer: Consumer,
    formatter: Formatter,
    limits: Limits,
    include: Option<Regex>,
    printed: i64,
}

impl Reading {
    /// Subscribes, or takes the one partition that was named.
    async fn begin(
        &self,
        client: &Client,
        topic: Option<&str>,
        start: &Start,
    ) -> Result<(), Failure> {
        let Some(topic) = topic else { return self.subscribe_included(client).await };
        let Some(partition) = start.partition else {
            return Ok(self.consumer.subscribe(&[topic])?);
        };
        let partition = PartitionIndex(partition);
        let of = TopicPartition { topic: StrBytes::copied(topic), partition };
        self.consumer.assign(std::slice::from_ref(&of))?;
        match start.offset {
            None | Some(Offset(-1)) => self.consumer.seek_to_time(&of, admin::LATEST)?,
            Some(Offset(-2)) => self.consumer.seek_to_time(&of, admin::EARLIEST)?,
            Some(offset) => self.consumer.seek(&of, offset)?,
        }
        Ok(())
    }

    /// Subscribes to the topics that there are and that fit `--include`.
    async fn subscribe_included(&self, client: &Client) -> Result<(), Failure> {
        let Some(include) = &self.include else { return Ok(()) };
        let cluster = client.refresh_all().await?;
        let fits = cluster.topics.values().filter(|topic| !topic.is_internal);
        let fits = fits.map(|topic| topic.name.as_str()).filter(|name| include.is_match(name));
        Ok(self.consumer.subscribe(&fits.collect::<Vec<_>>())?)
    }

    async fn read(
        &mut self,
        context: &mut Context,
        client: &Client,
        skips: bool,
    ) -> Result<(), Failure> {
        let mut heard = context.env.monotonic();
        let mut looked = heard;
        while self.limits.records.is_none_or(|max| self.printed < max) {
            if self.include.is_some() && context.env.monotonic() - looked >= LOOK_AGAIN {
                looked = context.env.monotonic();
                self.subscribe_included(client).await?;
            }
            let polled = tokio::select! {
                biased;
                () = context.stopped() => return Ok(()),
                polled = self.consumer.poll(self.patience(context, heard)) => polled,
            };
            let records = match polled {
                Ok(records) => records,
                Err(error) if skips || error.is_retriable() => {
                    writeln!(context.err, "{error}")?;
                    Vec::new()
                }
                Err(error) => return Err(error.into()),
            };
            if records.is_empty() {
                let silence = context.env.monotonic() - heard;
                if self.limits.silence.is_some_and(|max| silence >= max) {
                    let silence = silence.as_millis();
                    writeln!(context.err, "no record came for {silence} ms (--timeout-ms)")?;
                    return Ok(());
                }
                continue;
            }
            self.print(context, records, skips)?;
            context.out.flush()?;
            heard = context.env.monotonic();
        }
        Ok(())
    }

    /// How long to wait for records before it is looked whether to end.
    fn patience(&self, context: &Context, heard: Instant) -> Duration {
        let silent = context.env.monotonic() - heard;
        let left = self.limits.silence.map(|max| max.saturating_sub(silent));
        left.unwrap_or(POLL).min(POLL)
    }

    /// Prints as many records as are still wanted, and goes back before the others.
    fn print(
        &mut self,
        context: &mut Context,
        records: Vec<ConsumerRecord>,
        skips: bool,
    ) -> Result<(), Failure> {
        let mut unwanted: BTreeMap<TopicPartition, Offset> = BTreeMap::new();
        for record in records {
            if self.limits.records.is_some_and(|max| self.printed >= max) {
                unwanted.entry(record.of).or_insert(record.record.offset);
                continue;
            }
            match self.formatter.bytes(&record) {
                Ok(bytes) => context.out.write_all(&bytes)?,
                Err(failure) if skips => writeln!(context.err, "{failure}")?,
                Err(failure) => return Err(failure),
            }
            self.printed += 1;
        }
        for (of, offset) in unwanted {
            self.consumer.seek(&of, offset)?;
        }
        Ok(())
    }
}

/// How long one poll waits.
const POLL: Duration = Duration::from_secs(1);
/// How often topics are looked for that fit `--include`.
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// What brokers log for this command.
const CLIENT_ID: &str = "console-consumer";
