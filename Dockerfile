# One image for every role: `serve`, `worker`, `migrate`. Python and Cargo are there for the sample kinds; leave them
# out of an image of your own. `--target browser` has Chromium as well, for crawls and tasks in a browser.
FROM rust:1-trixie AS build
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/src/target \
    cargo build --locked --profile dist --bin tidemill && cp target/dist/tidemill /tidemill

FROM rust:1-slim-trixie AS plain
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates curl python3 tini \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 10001 tidemill
COPY --from=build /tidemill /usr/local/bin/tidemill
COPY --chown=tidemill examples /app/examples
COPY --chown=tidemill tidemill.toml /app/tidemill.toml
WORKDIR /app
USER tidemill
# An init of its own: it reaps what commands and health checks leave, and hands signals on.
ENTRYPOINT ["tini", "--", "tidemill"]
CMD ["serve"]

FROM plain AS browser
USER root
RUN apt-get update \
 && apt-get install -y --no-install-recommends chromium fonts-liberation fonts-noto-core \
 && rm -rf /var/lib/apt/lists/*
USER tidemill
# A container's own seccomp profile forbids what Chromium's sandbox needs; the container is the wall here.
ENV TIDEMILL_AGENT__SANDBOX=false TIDEMILL_BUGHIVE__SANDBOX=false
CMD ["worker"]

# The last one is what is built without --target.
FROM plain
