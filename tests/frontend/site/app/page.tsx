import { redirect } from "next/navigation";
import { auth, signIn } from "../auth";

export default async function SignInPage() {
  if ((await auth())?.user.externalId) redirect("/new");
  async function enter(form: FormData) {
    "use server";
    await signIn("credentials", { name: form.get("name"), redirectTo: "/new" });
  }
  return (
    <form action={enter}>
      <label>
        Name <input name="name" />
      </label>
      <button>Sign in</button>
    </form>
  );
}
