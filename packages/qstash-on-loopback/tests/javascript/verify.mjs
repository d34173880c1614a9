// Has the official receiver judge deliveries: reads [{signature, body, url, current, next}] and prints, for each, true or why not.
import { Receiver } from "@upstash/qstash";
import { text } from "node:stream/consumers";

const verdicts = [];
for (const { current, next, ...delivery } of JSON.parse(await text(process.stdin))) {
  const receiver = new Receiver({ currentSigningKey: current, nextSigningKey: next });
  verdicts.push(await receiver.verify(delivery).catch((error) => error.message));
}
console.log(JSON.stringify(verdicts));
