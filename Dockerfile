# Built in one stage, run from another: no compiler, no package manager's cache, no Node.
FROM python:3.13-slim-bookworm AS build
# Prisma Client Python asks "openssl version" which of its engines fits.
# hadolint ignore=DL3008
RUN apt-get update && apt-get install --yes --no-install-recommends openssl && rm -rf /var/lib/apt/lists/*
WORKDIR /srv
RUN python -m venv /srv/venv
ENV PATH=/srv/venv/bin:$PATH PRISMA_BINARY_CACHE_DIR=/srv/prisma
COPY locks/app.lock .
RUN pip install --no-cache-dir --require-hashes -r locks/app.lock
COPY schema.prisma .
# Writes the client into the packages, and downloads the native query engine beside them.
RUN prisma generate \
 && find /srv/prisma -type f -name 'query-engine-*' ! -name '*.sha256' ! -name '*.gz' -exec install -m 0755 {} /srv/query-engine \; \
 && test -x /srv/query-engine

FROM python:3.13-slim-bookworm
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
# SIGTERM: no new connections, deliveries in flight are finished, then the process ends. An attempt takes 290 s at most.
STOPSIGNAL SIGTERM
CMD ["python", "-m", "app", "serve", "--host", "0.0.0.0"]
