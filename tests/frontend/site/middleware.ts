// It changes nothing. That there is one is what makes Next.js keep request bodies, and cut them at 10 MB unless told otherwise.
import { type NextRequest, NextResponse } from "next/server";

export function middleware(_request: NextRequest): NextResponse {
  return NextResponse.next();
}

export const config = { matcher: ["/((?!_next/static|_next/image|favicon.ico).*)"] };
