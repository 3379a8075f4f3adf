# syntax=docker/dockerfile:1
# The image holds one binary and what it loads: no shell, no package manager, nothing to escape to.

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The cache keeps dependencies between builds; the root is assembled inside the step because the
# cache is gone after it. `cargo xtask ci` starts the binary in a root made by the same command.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo xtask rootfs /rootfs

FROM scratch
COPY --from=build /rootfs /
# Numbers, so that "runs as non-root" can be checked without reading /etc/passwd. Fly's init mounts
# the volume for this user; with root here, /data would be root's.
USER 10001:10001
ENV SOPHIA_DATA=/data SOPHIA_LISTEN=[::]:8080
VOLUME /data
EXPOSE 8080
# `docker stop` waits 10 s by default: use `--stop-timeout 30`, as fly.toml does.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/sophia"]
CMD ["serve"]
