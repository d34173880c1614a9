// Runs the official SDK against a server and prints the results as JSON: node qstash.mjs DESTINATION-URL
// The SDK is in development mode and finds the server on QSTASH_DEV_PORT.
import { Client } from "@upstash/qstash";

const [target] = process.argv.slice(2);
const client = new Client({ devMode: true });
const out = {};

async function eventually(check) {
  for (let left = 200; left > 0; left--) {
    const found = await check();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("timed out");
}
const dead = (messageId) =>
  eventually(async () => (await client.dlq.listMessages({ filter: { messageId } })).messages[0]);

const first = await client.publishJSON({ url: `${target}/hook`, body: { hello: "wörld" }, headers: { "x-own": "v" }, label: "js" });
out.delivered = await eventually(async () => {
  const { logs } = await client.logs({ filter: { messageId: first.messageId, state: "DELIVERED" } });
  return logs[0]?.state;
});
out.byLabel = (await client.logs({ filter: { label: "js", count: 10 } })).logs.every((log) => log.label === "js");
const pages = [await client.logs({ filter: { count: 1 } })];
pages.push(await client.logs({ cursor: pages[0].cursor, filter: { count: 1 } }));
out.cursors = pages.map(({ cursor }) => Number(cursor.split("-")[0]));

const flowControl = { key: "flow-key", parallelism: 10, rate: 5, period: "1d" };
const waiting = await client.publishJSON({
  url: `${target}/later`, body: { hello: "world" }, headers: { "test-header": "t" }, delay: 60_000, retries: 5, method: "GET",
  callback: `${target}/attempt?foo=bar`, failureCallback: `${target}/failed?bar=baz`, retryDelay: "1000 * retried", flowControl,
});
out.message = await client.messages.get(waiting.messageId);
out.cancelled = await client.messages.cancel(waiting.messageId);

const later = (options) => client.publish({ url: `${target}/later`, delay: "10d", ...options });
const several = await Promise.all([later(), later(), later({ label: "b" }), later({ flowControl }), later()]);
out.many = await client.messages.cancel(several.slice(0, 2).map(({ messageId }) => messageId));
out.byFilter = [
  await client.messages.cancel({ filter: { label: "b" } }),
  await client.messages.cancel({ filter: { flowControlKey: ["other", "flow-key"] } }),
];
out.all = await client.messages.cancel({ all: true });

const label = `label-${Date.now()}`;
const doomed = await client.publish({ url: `${target}/missing?a=1`, retries: 0, label, flowControl, retryDelay: "2000 * retried", body: "b" });
out.letter = await dead(doomed.messageId);
out.letters = (await client.dlq.listMessages({ filter: { label } })).messages.length;
out.retried = await client.dlq.retry(out.letter.dlqId);
const again = await dead(out.retried.responses[0].messageId);
await client.dlq.delete(again.dlqId);
out.gone = (await client.dlq.listMessages({ filter: { label } })).messages.length;
await Promise.all([1, 2, 3].map(() => client.publish({ url: `${target}/missing`, retries: 0, label })));
await eventually(async () => (await client.dlq.listMessages({ filter: { label } })).messages.length === 3);
out.deleted = [await client.dlq.delete({ filter: { label }, count: 2 }), await client.dlq.delete({ filter: { label } })];

const { scheduleId } = await client.schedules.create({
  destination: `${target}/tick`, body: JSON.stringify({ hello: "world" }), cron: "*/10 * * * * ", method: "GET", delay: 10, retries: 5,
  headers: { "test-header": "t", "Upstash-Forward-bypass-tunnel-reminder": "client-test", "Content-Type": "application/json" },
  queueName: "scheduleQueue", callback: `${target}/attempt`, failureCallback: `${target}/failed`,
});
out.schedule = await client.schedules.get(scheduleId);
await client.schedules.pause({ schedule: scheduleId });
out.paused = (await client.schedules.get(scheduleId)).isPaused;
await client.schedules.resume({ schedule: scheduleId });
await client.schedules.create({ scheduleId, destination: `${target}/tock`, cron: "1 1 1 1 1" });
out.schedules = await client.schedules.list();
await client.schedules.delete(scheduleId);
out.none = await client.schedules.list();

console.log(JSON.stringify(out));
