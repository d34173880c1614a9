// This middleware changes nothing. Its presence makes Next.js buffer request bodies, and truncate them at 10 MB
// by default.
import { type NextRequest, NextResponse } from "next/server";

export function middleware(_request: NextRequest): NextResponse {
  return NextResponse.next();
}

export const config = { matcher: ["/((?!_next/static|_next/image|favicon.ico).*)"] };
