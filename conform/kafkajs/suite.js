// What KafkaJS must show: `suite.js <bootstrap>`. The lines it prints are the contract in ../README.md.
// KafkaJS reads through groups only, so every read here is a group of its own.
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const readline = require('node:readline');
const { Kafka, CompressionTypes, CompressionCodecs, logLevel } = require('kafkajs');
const Lz4 = require('kafkajs-lz4');
const Snappy = require('kafkajs-snappy');
const { ZstdCodec } = require('zstd-codec');

CompressionCodecs[CompressionTypes.Snappy] = Snappy;
CompressionCodecs[CompressionTypes.LZ4] = new Lz4().codec;

const SECONDS_PER_FEATURE = 60;
const prefix = `kafkajs-${Date.now()}`;
const kafka = new Kafka({
  brokers: [process.argv[2]],
  clientId: prefix,
  logLevel: logLevel.NOTHING,
  retry: { initialRetryTime: 100, maxRetryTime: 1000, retries: 100 },
});
const admin = kafka.admin();
const lines = readline.createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let groups = 0;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const values = (count, start = 0) =>
  Array.from({ length: count }, (_, i) => ({ key: 'k', value: `v${start + i}`, partition: 0 }));
const text = (messages) => messages.map((m) => m.value.toString());

async function until(what, condition, seconds = 30) {
  const end = Date.now() + seconds * 1000;
  while (Date.now() < end) {
    if (await condition()) return;
    await pause(20);
  }
  throw new Error(`not within ${seconds} s: ${what}`);
}

async function topic(name, numPartitions = 1) {
  await admin.createTopics({ topics: [{ topic: `${prefix}-${name}`, numPartitions, replicationFactor: 1 }] });
  return `${prefix}-${name}`;
}

async function send(to, messages, how = {}) {
  const producer = kafka.producer({ idempotent: how.acks === undefined });
  await producer.connect();
  try {
    return await producer.send({ topic: to, messages, ...how });
  } finally {
    await producer.disconnect();
  }
}

/** A running consumer; `got` grows, `owned` are its partitions. */
async function member(from, groupId = `${prefix}-read-${groups++}`) {
  const timing = { sessionTimeout: 10_000, heartbeatInterval: 500, maxWaitTimeInMs: 200 };
  const consumer = kafka.consumer({ groupId, ...timing });
  const self = { consumer, got: [], owned: [], groupId };
  consumer.on(consumer.events.GROUP_JOIN, (e) => {
    self.owned = e.payload.memberAssignment[from] || [];
  });
  await consumer.connect();
  await consumer.subscribe({ topics: [from], fromBeginning: true });
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => self.got.push({ partition, ...message }),
  });
  self.wait = async (count) => {
    await until(`${count} records`, () => self.got.length >= count);
    return self.got;
  };
  return self;
}

async function read(from, count) {
  const reader = await member(from);
  try {
    return await reader.wait(count);
  } finally {
    await reader.consumer.disconnect();
  }
}

async function committed(groupId, of) {
  const [found] = await admin.fetchOffsets({ groupId, topics: [of] });
  return found.partitions.find((p) => p.partition === 0);
}

async function roundTrip(name, messages, how) {
  const t = await topic(name);
  await send(t, messages, how);
  return read(t, messages.length);
}

async function codec(name, compression) {
  const sent = [...values(50).map((m) => ({ ...m, value: m.value + 'abc'.repeat(400) })),
    { key: 'k', value: crypto.randomBytes(3000), partition: 0 }];
  const got = await roundTrip(name, sent, { compression });
  assert.deepEqual(got.map((m) => m.value), sent.map((m) => Buffer.from(m.value)));
}

async function acks(wanted) {
  const got = await roundTrip(`acks${wanted}`, values(20), { acks: wanted });
  assert.deepEqual(text(got), values(20).map((m) => m.value));
}

const features = {
  async topics() {
    const t = await topic('topics', 3);
    await until('the topic', async () => (await admin.listTopics()).includes(t));
    const { topics } = await admin.fetchTopicMetadata({ topics: [t] });
    assert.equal(topics[0].partitions.length, 3);
    assert.equal(await admin.createTopics({ topics: [{ topic: t, replicationFactor: 1 }] }), false);
    await admin.deleteTopics({ topics: [t] });
    await until('the topic is gone', async () => !(await admin.listTopics()).includes(t));
  },
  'acks-0': () => acks(0),
  'acks-1': () => acks(1),
  'acks-all': () => acks(-1),
  gzip: () => codec('gzip', CompressionTypes.GZIP),
  snappy: () => codec('snappy', CompressionTypes.Snappy),
  lz4: () => codec('lz4', CompressionTypes.LZ4),
  zstd: () => codec('zstd', CompressionTypes.ZSTD),
  async headers() {
    const headers = { a: [Buffer.from('1'), Buffer.from('2')], b: Buffer.from(''), 'é': crypto.randomBytes(256) };
    const [got] = await roundTrip('headers', [{ value: 'v', headers }]);
    assert.deepEqual(got.headers, headers);
  },
  async nullkeys() {
    const got = await roundTrip('nullkeys', [{ key: null, value: 'x' }, { key: '', value: 'y' }]);
    assert.deepEqual(got.map((m) => m.key), [null, Buffer.from('')]);
  },
  async tombstones() {
    const got = await roundTrip('tombstones', [{ key: 'k', value: null }, { key: 'k', value: '' }]);
    assert.deepEqual(got.map((m) => m.value), [null, Buffer.from('')]);
  },
  async group() {
    const t = await topic('group', 2);
    const first = await member(t, `${prefix}-group`);
    await until('one member owns both', () => first.owned.length === 2);
    const second = await member(t, `${prefix}-group`);
    await until('each owns one', () => first.owned.length === 1 && second.owned.length === 1);
    await send(t, [...values(20), ...values(20, 20).map((m) => ({ ...m, partition: 1 }))]);
    await until('both read all', () => first.got.length + second.got.length === 40);
    assert.deepEqual([first.got.length, second.got.length], [20, 20]);
    await second.consumer.disconnect();
    await until('the one that stays owns both', () => first.owned.length === 2);
    await send(t, [{ value: 'late0', partition: 0 }, { value: 'late1', partition: 1 }]);
    await until('it reads both', () => ['late0', 'late1'].every((v) => text(first.got).includes(v)));
    await first.consumer.disconnect();
  },
  async commit() {
    const t = await topic('commit');
    await send(t, values(30));
    const reader = await member(t, `${prefix}-commit`);
    await reader.wait(30);
    await reader.consumer.commitOffsets([{ topic: t, partition: 0, offset: '12', metadata: 'twelve' }]);
    assert.deepEqual(await committed(reader.groupId, t), { partition: 0, offset: '12', metadata: 'twelve' });
    await reader.consumer.disconnect();
    const next = await member(t, reader.groupId);
    assert.equal((await next.wait(18))[0].offset, '12');
    await next.consumer.disconnect();
  },
  async seek() {
    const t = await topic('seek');
    const base = Date.now() - 100_000;
    await send(t, values(20).map((m, i) => ({ ...m, timestamp: String(base + i * 1000) })));
    const reader = await member(t);
    await reader.wait(20);
    for (const offset of ['7', '0', '19']) {
      reader.got.length = 0;
      reader.consumer.seek({ topic: t, partition: 0, offset });
      await reader.wait(1);
      assert.equal(reader.got[0].offset, offset);
      await reader.wait(20 - Number(offset));
    }
    await reader.consumer.disconnect();
    const [bounds] = await admin.fetchTopicOffsets(t);
    assert.deepEqual([bounds.low, bounds.high], ['0', '20']);
    const [at] = await admin.fetchTopicOffsetsByTimestamp(t, base + 6500);
    assert.equal(at.offset, '7');
  },
  async restart() {
    const t = await topic('restart');
    const producer = kafka.producer({ idempotent: true });
    await producer.connect();
    await producer.send({ topic: t, messages: values(50) });
    const reader = await member(t, `${prefix}-restart`);
    await reader.wait(50);
    await reader.consumer.commitOffsets([{ topic: t, partition: 0, offset: '20' }]);
    console.log('@restart');
    await lines.next();
    const again = () => committed(reader.groupId, t).catch(() => ({})); // the coordinator may be loading
    await until('the committed offset', async () => (await again()).offset === '20');
    await producer.send({ topic: t, messages: values(50, 50) });
    await until('all values', () => new Set(text(reader.got)).size === 100);
    await reader.consumer.disconnect();
    await producer.disconnect();
    assert.deepEqual(text(await read(t, 100)), values(100).map((m) => m.value));
  },
};

async function run(feature, body) {
  const limit = pause(SECONDS_PER_FEATURE * 1000).then(() => Promise.reject(new Error('too slow')));
  try {
    await Promise.race([body(), limit]);
    console.log('ok', feature);
  } catch (error) {
    console.error(error);
    console.log('FAIL', feature, String(error).split(/\s+/).join(' '));
  }
  limit.catch(() => {});
}

ZstdCodec.run(async (zstd) => {
  const simple = new zstd.Simple();
  CompressionCodecs[CompressionTypes.ZSTD] = () => ({
    compress: async (encoder) => Buffer.from(simple.compress(encoder.buffer)),
    decompress: async (buffer) => Buffer.from(simple.decompress(buffer)),
  });
  await admin.connect();
  for (const [feature, body] of Object.entries(features)) await run(feature, body);
  process.exit(0);
});
