//! `ottla console-producer` (kafka-console-producer.sh): each line of the input is a record.
//!
//! Not here: lines to records (console_producer/lines.rs). Not served: other readers of lines than
//! the usual one. Must hold: what was sent before a line that cannot be read is written.

mod lines;
mod options;

use std::collections::VecDeque;
use std::io::{BufRead, Write};

use ottla_client::{Client, Delivery, Producer, ProducerRecord, ProducerSettings};
use ottla_wire::StrBytes;
use tokio::sync::mpsc;

use crate::client_options::{self, BOOTSTRAP_SERVER, COMMAND_CONFIG};
use crate::context::Context;
use crate::failure::Failure;
use crate::options::Parsed;

use lines::Reader;
pub(crate) use options::OPTIONS;

/// Sends lines until the input ends or the user asks to stop.
pub(crate) async fn run(context: &mut Context, parsed: &Parsed) -> Result<(), Failure> {
    options::check(parsed)?;
    for notice in options::notices(parsed) {
        writeln!(context.out, "{notice}")?;
    }
    let mut reader = Reader::new(&options::reader_properties(context, parsed)?)?;
    let topic = StrBytes::copied(parsed.text("topic")?.unwrap_or_default());
    let mut producing = ProducerSettings::default();
    let properties = options::producer_properties(context, parsed)?;
    let settings = client_options::settings(parsed, &properties, CLIENT_ID, &mut [&mut producing])?;
    let client = Client::connect(context.env.clone(), settings).await?;
    let producer = Producer::new(&client, producing);
    let sent = send_lines(context, parsed, &producer, &topic, &mut reader).await;
    producer.close().await;
    client.close().await;
    // What was on its way when a line failed is told before that line.
    let (deliveries, outcome) = sent;
    for sending in deliveries {
        tell(context, sending, false).await?;
    }
    outcome
}

/// A record that is on its way, and what an error about it says.
struct Sending {
    delivery: Delivery,
    about: String,
}

async fn send_lines(
    context: &mut Context,
    parsed: &Parsed,
    producer: &Producer,
    topic: &StrBytes,
    reader: &mut Reader,
) -> (VecDeque<Sending>, Result<(), Failure>) {
    let mut on_the_way = VecDeque::new();
    let is_sync = parsed.has("sync");
    let mut input = Input::start(context);
    let outcome = async {
        while let Some(line) = input.next(context).await? {
            let read = reader.read(&line)?;
            let record = ProducerRecord {
                topic: topic.clone(),
                key: read.key,
                value: read.value,
                headers: read.headers,
                ..Default::default()
            };
            let len = |bytes: &Option<_>| match bytes {
                Some(bytes) => format!("{} bytes", AsRef::<[u8]>::as_ref(bytes).len()),
                None => "null".to_string(),
            };
            let (key, value) = (len(&record.key), len(&record.value));
            let about = format!("to topic {topic} with key: {key}, value: {value}");
            let delivery = producer.send(record).await?;
            on_the_way.push_back(Sending { delivery, about });
            while is_sync && !on_the_way.is_empty() || on_the_way.len() > ON_THE_WAY_MAX {
                let Some(oldest) = on_the_way.pop_front() else { break };
                tell(context, oldest, is_sync).await?;
            }
        }
        Ok(())
    };
    let outcome = outcome.await;
    (on_the_way, outcome)
}

/// Waits for one record; a failure ends a command that sends one by one, else it is told.
async fn tell(context: &mut Context, sending: Sending, is_final: bool) -> Result<(), Failure> {
    match sending.delivery.await {
        Ok(_) => Ok(()),
        Err(error) if is_final => Err(error.into()),
        Err(error) => {
            let about = sending.about;
            Ok(writeln!(context.err, "Error when sending message {about} with error: {error}")?)
        }
    }
}

/// The lines of the input, read on a thread that may wait.
struct Input {
    lines: mpsc::Receiver<std::io::Result<Vec<u8>>>,
    _reading: ottla_env::Tasks,
}

impl Input {
    fn start(context: &mut Context) -> Input {
        let (sender, lines) = mpsc::channel(LINES_MAX);
        let reading = context.env.tasks();
        let input = context.input.take();
        let env = context.env.clone();
        reading.spawn("input", async move {
            let Some(mut input) = input else { return };
            env.blocking(move || {
                loop {
                    let mut line = Vec::new();
                    let read = match input.read_until(b'\n', &mut line) {
                        Ok(0) => break,
                        Ok(_) => Ok(without_end(line)),
                        Err(error) => Err(error),
                    };
                    let failed = read.is_err();
                    if sender.blocking_send(read).is_err() || failed {
                        break;
                    }
                }
            })
            .await;
        });
        Input { lines, _reading: reading }
    }

    /// The next line; none when the input ended or the user asked to stop.
    async fn next(&mut self, context: &mut Context) -> Result<Option<Vec<u8>>, Failure> {
        if context.interactive {
            write!(context.out, ">")?;
            context.out.flush()?;
        }
        let line = tokio::select! {
            biased;
            () = context.stopped() => return Ok(None),
            line = self.lines.recv() => line,
        };
        line.transpose().map_err(|error| Failure::said(format!("cannot read the input: {error}")))
    }
}

fn without_end(mut line: Vec<u8>) -> Vec<u8> {
    if line.ends_with(b"\n") {
        line.pop();
        if line.ends_with(b"\r") {
            line.pop();
        }
    }
    line
}

/// Records whose outcome nobody has looked at; their bytes are bounded by buffer.memory.
const ON_THE_WAY_MAX: usize = 10_000;
/// Lines that are read ahead.
const LINES_MAX: usize = 1_000;
/// What brokers log for this command.
const CLIENT_ID: &str = "console-producer";
