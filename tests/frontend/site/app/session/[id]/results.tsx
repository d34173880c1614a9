"use client";
// Polls like the original: every 3 s for half a minute, then every 10 s for 5 minutes, until DONE or FAILED.
// Also like the original, it keeps the last known state when a poll fails, and after FAILED it polls again only
// if the learner retries.
import { useCallback, useEffect, useState } from "react";

type Insight = { id: string; pattern: string; detail: string };
type Session = {
  status: string;
  errorMessage: string | null;
  focusNext: string | null;
  transcript: { text: string } | null;
  insights: Insight[];
};

const WORKING = ["UPLOADED", "TRANSCRIBING", "ANALYZING"];
const [FAST_MS, SLOW_MS, FAST_FOR_MS, POLL_FOR_MS] = [3_000, 10_000, 30_000, 300_000];

export function Results({ id }: { id: string }) {
  const [session, setSession] = useState<Session | null>(null);
  const [started] = useState(() => Date.now());
  const [polls, setPolls] = useState(0);
  const [problem, setProblem] = useState("");

  const load = useCallback(async () => {
    try {
      const response = await fetch(`/api/sessions/${id}`);
      if (!response.ok) throw new Error("Failed to fetch session");
      setSession(await response.json());
      setProblem("");
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "Failed to fetch session");
    }
    setPolls((count) => count + 1);
  }, [id]);

  useEffect(() => void load(), [load]);
  useEffect(() => {
    const elapsed = Date.now() - started;
    if (!session || !WORKING.includes(session.status) || elapsed > POLL_FOR_MS) return;
    const timer = setTimeout(load, elapsed < FAST_FOR_MS ? FAST_MS : SLOW_MS);
    return () => clearTimeout(timer);
  }, [session, polls, load, started]);

  return (
    <main data-status={session?.status ?? ""} data-polls={polls}>
      <h1>{session?.status}</h1>
      {problem && <p role="alert">{problem}</p>}
      {session?.status === "FAILED" && (
        <>
          <p id="error-message">{session.errorMessage ?? "An error occurred during processing."}</p>
          <button onClick={() => void load()}>Retry</button>
        </>
      )}
      {session?.status === "DONE" && (
        <>
          <p id="transcript">{session.transcript?.text}</p>
          <ul>
            {session.insights.map((each) => (
              <li key={each.id}>
                {each.pattern}: {each.detail}
              </li>
            ))}
          </ul>
          <p id="focus">{session.focusNext}</p>
        </>
      )}
      <a href="/new">Back</a>
    </main>
  );
}
