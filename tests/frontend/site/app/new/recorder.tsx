"use client";
// Records with MediaRecorder or takes a file. Uploads through the rewrite like the original, or directly to storage.
import { useRouter } from "next/navigation";
import { useRef, useState } from "react";
import { upload as uploadDirectly } from "../../upload";

const TYPES = ["audio/webm;codecs=opus", "audio/webm", "audio/mp4"];

async function uploadThroughRewrite(recording: Blob, seconds: number): Promise<string> {
  const form = new FormData();
  form.append("audio", recording, `recording.${recording.type.split("/")[1]?.split(";")[0] ?? "webm"}`);
  form.append("duration", String(seconds));
  form.append("language", "en");
  const response = await fetch("/api/sessions", { method: "POST", body: form });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error ?? "Upload failed");
  return answer.id;
}

export function Recorder() {
  const router = useRouter();
  const recorder = useRef<MediaRecorder | null>(null);
  const [state, setState] = useState<"idle" | "recording" | "sending">("idle");
  const [problem, setProblem] = useState("");
  const [direct, setDirect] = useState(false);

  async function send(recording: Blob, seconds: number) {
    setState("sending");
    setProblem("");
    try {
      const id = await (direct ? uploadDirectly : uploadThroughRewrite)(recording, seconds);
      router.push(`/session/${id}`);
    } catch (error) {
      setProblem(error instanceof Error ? error.message : "Upload failed");
      setState("idle");
    }
  }

  async function start() {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: true });
    const mimeType = TYPES.find((type) => MediaRecorder.isTypeSupported(type));
    const started = Date.now();
    const pieces: Blob[] = [];
    const running = new MediaRecorder(stream, { mimeType });
    running.ondataavailable = ({ data }) => pieces.push(data);
    running.onstop = () => {
      for (const track of stream.getTracks()) track.stop();
      void send(new Blob(pieces, { type: mimeType }), Math.round((Date.now() - started) / 1000));
    };
    running.start(100);
    recorder.current = running;
    setState("recording");
  }

  return (
    <section>
      {state === "idle" && <button onClick={() => void start()}>Record</button>}
      {state === "recording" && <button onClick={() => recorder.current?.stop()}>Stop</button>}
      {state === "sending" && <p>Uploading</p>}
      <label>
        <input type="checkbox" checked={direct} onChange={(event) => setDirect(event.target.checked)} /> Directly to storage
      </label>
      <label>
        File{" "}
        <input type="file" onChange={({ target }) => target.files?.[0] && void send(target.files[0], 20)} />
      </label>
      {problem && <p role="alert">{problem}</p>}
    </section>
  );
}
