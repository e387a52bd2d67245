// The worker of KafkaJS; suite.py says what it does.
'use strict';
const fs = require('node:fs');
const { Kafka, logLevel } = require('kafkajs');

const [what, bootstrap, prefix, ...topics] = process.argv.slice(2);
const kafka = new Kafka({
  brokers: [bootstrap],
  clientId: prefix,
  logLevel: logLevel.ERROR,
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 30 },
});

async function producer(name) {
  const made = kafka.producer({
    transactionalId: `${prefix}-${name}`,
    transactionTimeout: 20_000,
    idempotent: true,
    maxInFlightRequests: 1,
  });
  await made.connect();
  return made;
}

const below = (bound) => Math.floor(Math.random() * bound);
const rest = (ms) => new Promise((done) => setTimeout(done, ms));

// Lines of JSON, each of which is in the file before the next thing is done.
const notes = (path) => (line) => fs.appendFileSync(path, `${JSON.stringify(line)}\n`);

const message = (value, partition = 0, key = null) => ({ value, partition, key });

const works = {
  async atomic(topic) {
    const writer = await producer('atomic');
    for (let i = 0; i < 20; i++) {
      const transaction = await writer.transaction();
      await transaction.send({ topic, messages: [message(`a${i}`, 0), message(`b${i}`, 1)] });
      await (i % 3 === 0 ? transaction.abort() : transaction.commit());
    }
  },
  async fenced(topic) {
    const [first, second] = [await producer('fenced'), kafka.producer({
      transactionalId: `${prefix}-fenced`, idempotent: true, maxInFlightRequests: 1,
    })];
    const late = await first.transaction();
    await late.send({ topic, messages: [message('late')] });
    await second.connect();
    const good = await second.transaction();
    await good.send({ topic, messages: [message('good')] });
    await good.commit();
    try {
      await late.commit();
    } catch (error) {
      // How it is told depends on the version of EndTxn that the client speaks.
      if (/PRODUCER_FENCED|INVALID_PRODUCER_EPOCH/.test(error.type)) console.log('fenced');
      else throw error;
    }
  },
  // Transactions of one to four elements each, some of which are aborted.
  async append(topic, lists, slot, writer, path) {
    const note = notes(path);
    const made = await producer(`append-${slot}`);
    for (let number = 0; ; number++) {
      const name = `${writer}.${number}`;
      const transaction = await made.transaction();
      for (let place = 0, count = 1 + below(4); place < count; place++) {
        const list = below(Number(lists));
        note({ append: `${name}.${place}`, list });
        await transaction.send({ topic, messages: [message(`${name}.${place}`, list)] });
        if (below(10) === 0) await rest(below(1_000));
      }
      if (below(4) === 0) {
        await transaction.abort();
        note({ ends: name, how: 'aborted' });
      } else {
        note({ ends: name, how: 'asked' });
        await transaction.commit();
        note({ ends: name, how: 'committed' });
      }
    }
  },
  // What is committed, from the beginning on again and again.
  async look(topic, lists, path) {
    const note = notes(path);
    for (;;) {
      const groupId = `${prefix}-look-${process.pid}-${below(1_000_000)}`;
      const consumer = kafka.consumer({ groupId, readUncommitted: false, maxWaitTimeInMs: 200 });
      consumer.on(consumer.events.CRASH, () => process.exit(1));
      await consumer.connect();
      await consumer.subscribe({ topics: [topic], fromBeginning: true });
      await consumer.run({
        autoCommit: false,
        eachMessage: async ({ partition, message: one }) => {
          note({ read: `${one.value}`, list: partition, offset: Number(one.offset) });
        },
      });
      await rest(3_000 + below(8_000));
      await consumer.disconnect();
    }
  },
  transform: (source, target) => carry(source, target, 'transform', '!'),
  move: (source, target, slot) => carry(source, target, `move-${slot}`, ''),
};

async function carry(source, target, name, suffix) {
  // First the producer: that ends what a killed worker has left open.
  const writer = await producer(name);
  const groupId = `${prefix}-${name}`;
  const timing = { sessionTimeout: 6_000, heartbeatInterval: 500, maxWaitTimeInMs: 200 };
  const consumer = kafka.consumer({ groupId, readUncommitted: false, ...timing });
  consumer.on(consumer.events.CRASH, () => process.exit(1));
  await consumer.connect();
  await consumer.subscribe({ topics: [source], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: async ({ batch, resolveOffset, heartbeat }) => {
      for (let at = 0; at < batch.messages.length; at += 20) {
        const some = batch.messages.slice(at, at + 20);
        const next = (BigInt(some[some.length - 1].offset) + 1n).toString();
        const messages = some.map((m) => message(`${m.value}${suffix}`, batch.partition, m.key));
        try {
          const transaction = await writer.transaction();
          await transaction.send({ topic: target, messages });
          const partitions = [{ partition: batch.partition, offset: next }];
          await transaction.sendOffsets({
            consumerGroupId: groupId, topics: [{ topic: batch.topic, partitions }],
          });
          await transaction.commit();
        } catch (error) {
          console.error('begins anew:', error);
          process.exit(1);
        }
        resolveOffset(some[some.length - 1].offset);
        await heartbeat();
      }
    },
  });
  await new Promise(() => {});
}

works[what](...topics).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
