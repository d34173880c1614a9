import { signOut } from "../../auth";
import { requireLearner } from "../../learner";
import { History } from "./history";
import { Recorder } from "./recorder";

export default async function NewPage() {
  const name = await requireLearner();
  async function leave() {
    "use server";
    await signOut({ redirectTo: "/" });
  }
  return (
    <main>
      <h1>{name}</h1>
      <Recorder />
      <History />
      <form action={leave}>
        <button>Sign out</button>
      </form>
    </main>
  );
}
