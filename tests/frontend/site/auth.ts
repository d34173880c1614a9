// Auth.js configured like the original: JWT sessions whose token contains externalId. Signing in needs only a name.
import NextAuth, { type DefaultSession } from "next-auth";
import Credentials from "next-auth/providers/credentials";

declare module "next-auth" {
  interface Session {
    user: { externalId?: string } & DefaultSession["user"];
  }
}

export const { handlers, signIn, signOut, auth } = NextAuth({
  providers: [
    Credentials({
      credentials: { name: {} },
      authorize({ name }) {
        if (typeof name !== "string" || !/^[a-z-]{1,40}$/.test(name)) return null;
        return { id: `frontend-${name}`, name, email: `${name}@example.com` };
      },
    }),
  ],
  session: { strategy: "jwt", maxAge: 30 * 24 * 60 * 60 },
  pages: { signIn: "/" },
  callbacks: {
    jwt({ token, user }) {
      if (user) token.externalId = user.id;
      return token;
    },
    session({ session, token }) {
      if (typeof token.externalId === "string") session.user.externalId = token.externalId;
      return session;
    },
  },
});
