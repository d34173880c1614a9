// node check-package.mjs FOLDER: packs this package into FOLDER, installs the archive in an empty directory,
// and starts the engine from there. Needs npm.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

const START_MS = 20_000;
const here = import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname);
const output = path.resolve(process.argv[2]);
fs.mkdirSync(output, { recursive: true });
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'empty-'));
try {
  const npm = (...words) => execFileSync('npm', [...words, '--silent', '--no-audit', '--no-fund'], { cwd: scratch, encoding: 'utf8' }).trim();
  const archive = path.join(output, npm('pack', here, '--pack-destination', output));
  npm('init', '-y');
  npm('install', '--ignore-scripts', archive);
  const schema = path.join(scratch, 'schema.prisma');
  fs.writeFileSync(schema, 'datasource db {\n  provider = "postgresql"\n  url = env("DATABASE_URL")\n}\nmodel User {\n  id Int @id\n}\n');
  const port = await freePort();
  const engine = spawn(path.join(scratch, 'node_modules', '.bin', 'prisma-query-engine'), ['-p', String(port)], {
    stdio: 'inherit',
    env: { ...process.env, PRISMA_DML_PATH: schema, DATABASE_URL: 'postgresql://nobody@127.0.0.1:1/none' },
  });
  try {
    const { pid } = await answer(`http://127.0.0.1:${port}/status`);
    if (pid !== engine.pid) throw new Error('another process answered');
  } finally {
    engine.kill();
  }
  console.log(`${path.basename(archive)} works in an empty directory`);
} finally {
  fs.rmSync(scratch, { recursive: true });
}

function freePort() {
  return new Promise((resolve) => {
    const server = net.createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answer(url) {
  for (const until = Date.now() + START_MS; ;) {
    try {
      return await (await fetch(url)).json();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
