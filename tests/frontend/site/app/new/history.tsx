"use client";
import { useEffect, useState } from "react";

type Listed = { id: string; status: string };

export function History() {
  const [sessions, setSessions] = useState<Listed[] | null>(null);

  async function load() {
    const response = await fetch("/api/sessions?limit=50");
    if (response.ok) setSessions((await response.json()).sessions);
  }

  async function remove(id: string) {
    await fetch(`/api/sessions/${id}`, { method: "DELETE" });
    await load();
  }

  useEffect(() => void load(), []);
  return (
    <ul data-loaded={sessions !== null}>
      {sessions?.map(({ id, status }) => (
        <li key={id}>
          <a href={`/session/${id}`}>{status}</a> <button onClick={() => void remove(id)}>Delete</button>
        </li>
      ))}
    </ul>
  );
}
