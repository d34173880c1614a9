// The signed-in learner. As in the original, every page writes the learner's row itself, so the site needs
// DATABASE_URL.
import { redirect } from "next/navigation";
import { randomBytes } from "node:crypto";
import { Pool } from "pg";
import { auth } from "./auth";

const pool = new Pool({ connectionString: process.env.DATABASE_URL, connectionTimeoutMillis: 5000 });
// The next query replaces an idle connection that has broken.
pool.on("error", () => undefined);

export async function requireLearner(): Promise<string> {
  const user = (await auth())?.user;
  if (!user?.externalId) redirect("/");
  const id = `c${randomBytes(12).toString("hex")}`;
  await pool.query(
    `INSERT INTO users (id, "externalId", email, "displayName", "updatedAt") VALUES ($1, $2, $3, $4, now())
     ON CONFLICT ("externalId") DO NOTHING`,
    [id, user.externalId, user.email, user.name],
  );
  return user.name ?? "";
}
