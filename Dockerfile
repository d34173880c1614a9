# Targets: "service" is production (the default), "schema" creates the tables, "local" is the whole stack without an
# account.
# "service" is copied from a build stage, so it contains no compiler, no package cache and no Node.
FROM python:3.13-slim-bookworm AS build
# Prisma Client Python runs "openssl version" to choose the engine to download.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*
WORKDIR /srv
RUN python -m venv /srv/venv
ENV PATH=/srv/venv/bin:$PATH PRISMA_BINARY_CACHE_DIR=/srv/prisma
COPY locks/app.lock locks/app.lock
RUN pip install --no-cache-dir --require-hashes -r locks/app.lock
COPY schema.prisma .
# Generates the client into site-packages, and downloads the native query engine.
RUN prisma generate \
 && find /srv/prisma -type f -name 'query-engine-*' ! -name '*.sha256' ! -name '*.gz' -exec install -m 0755 {} /srv/query-engine \; \
 && test -x /srv/query-engine \
 && python -m compileall -q -f /srv/venv/lib/python3*/site-packages/prisma

FROM node:22-bookworm-slim AS schema
WORKDIR /srv
COPY engine/package.json engine/package-lock.json engine/.npmrc engine/
RUN npm ci --prefix engine --no-audit --no-fund
COPY engine/schema.mjs engine/
COPY schema.prisma .
COPY migrations migrations
USER 1000
CMD ["node", "engine/schema.mjs", "migrate"]

FROM python:3.13-slim-bookworm AS local
RUN useradd --uid 10001 --create-home service && install --directory --owner service /srv
USER 10001
WORKDIR /srv
COPY --chown=service . .
# Installs what "make demo" needs, with Node from a wheel. The data folder must exist with this owner before a volume is
# mounted over it.
RUN python -m local.setup demo && mkdir -p .local/data
ENV PRISMA_ENGINE_NODE=/srv/.local/bin/node \
    PRISMA_QUERY_ENGINE_BINARY=/srv/engine/query-engine \
    TMPDIR=/srv/.local/tmp \
    PYTHONUNBUFFERED=1
CMD [".venv/bin/python", "-m", "local", "run"]

FROM python:3.13-slim-bookworm AS service
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends openssl && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --no-create-home service
WORKDIR /srv
COPY --from=build /srv/venv /srv/venv
COPY --from=build /srv/query-engine /srv/query-engine
COPY app /srv/app
ENV PATH=/srv/venv/bin:$PATH \
    HOME=/tmp \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PRISMA_QUERY_ENGINE_BINARY=/srv/query-engine
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=10s --retries=3 \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/api/health', timeout=2)"]
# On SIGTERM the process accepts no new connections, finishes the deliveries in flight (290 s at most) and exits.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "app", "serve", "--host", "0.0.0.0"]
