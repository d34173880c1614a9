// Verifies deliveries with the official receiver. Reads [{signature, body, url, current, next}] from stdin, and prints
// for each delivery true or the error message.
import { Receiver } from "@upstash/qstash";
import { text } from "node:stream/consumers";

const verdicts = [];
for (const { current, next, ...delivery } of JSON.parse(await text(process.stdin))) {
  const receiver = new Receiver({ currentSigningKey: current, nextSigningKey: next });
  verdicts.push(await receiver.verify(delivery).catch((error) => error.message));
}
console.log(JSON.stringify(verdicts));
