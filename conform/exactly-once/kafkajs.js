// The worker of KafkaJS; suite.py says what it does.
'use strict';
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
  async transform(source, target) {
    // First the producer: that ends what a killed worker has left open.
    const writer = await producer('transform');
    const groupId = `${prefix}-transform`;
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
          const messages = some.map((m) => message(`${m.value}!`, batch.partition, m.key));
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
  },
};

works[what](...topics).then(() => process.exit(0), (error) => {
  console.error(error);
  process.exit(1);
});
