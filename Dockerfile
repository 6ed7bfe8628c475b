# Three images from scratch: node, its libraries, CA certificates and one bundled file each. No shell, no package manager.
#
#   docker build --target operator -t azure-secret-binding-operator .     (also: emulator, service)
#
# Plain Dockerfile syntax only: it builds with BuildKit of any age and with the classic builder, and where no frontend can be
# pulled. NODE_BUILD needs node 24, npm and a POSIX shell; NPM_CONFIG_REGISTRY is for machines with a registry of their own.
# The base is named by the digest of its index, for amd64 and arm64; Dependabot proposes newer ones. It was taken from ten public
# repositories that agree on it, where no registry was reached. The images of a release are not made by this file and have no
# base image: `npm run release` takes node and the libraries from packages of pinned versions (test/release/runtime.ts).
ARG NODE_BUILD=node:24.18.0-bookworm-slim@sha256:6f7b03f7c2c8e2e784dcf9295400527b9b1270fd37b7e9a7285cf83b6951452d

# What every image has. Changes only with the base.
FROM ${NODE_BUILD} AS runtime
COPY test/images/collect-runtime.mjs /
RUN node /collect-runtime.mjs /rootfs

# The packages. Changes only when a manifest or the lock file does, never with our sources.
FROM ${NODE_BUILD} AS packages
ARG NPM_CONFIG_REGISTRY
WORKDIR /src
COPY package.json package-lock.json .npmrc ./
COPY operator/package.json operator/
COPY runtime-store/package.json runtime-store/
COPY test/emulator/package.json test/emulator/
COPY test/service/package.json test/service/
COPY test/apidoc/package.json test/apidoc/
COPY test/stubs test/stubs
# No install scripts: nothing needed here has one that matters, and none then runs with the network of the build.
RUN npm ci --ignore-scripts
COPY tsconfig.json ./
COPY test/images/bundle.ts test/images/

FROM packages AS operator-bundle
COPY runtime-store/src runtime-store/src
COPY operator/src operator/src
RUN node --conditions=asb-source test/images/bundle.ts operator/src/main.ts /out/app/main.mjs

FROM packages AS emulator-bundle
COPY test/emulator/src test/emulator/src
RUN node --conditions=asb-source test/images/bundle.ts test/emulator/src/cli.ts /out/app/main.mjs && cp test/emulator/src/page/page.html /out/app/

FROM packages AS service-bundle
COPY runtime-store/src runtime-store/src
COPY test/service/src test/service/src
RUN node --conditions=asb-source test/images/bundle.ts test/service/src/main.ts /out/app/main.mjs

FROM scratch AS base
COPY --from=runtime /rootfs /
ENV NODE_ENV=production HOME=/
WORKDIR /app
# By number, so that the kubelet can check runAsNonRoot.
USER 65532:65532
# Source maps: stack traces name our files and lines.
ENTRYPOINT ["/usr/local/bin/node", "--enable-source-maps", "/app/main.mjs"]

FROM base AS service
COPY --from=service-bundle /out /

FROM base AS emulator
COPY --from=emulator-bundle /out /
EXPOSE 8443 8081

# Last, so that a build without --target is the operator.
FROM base AS operator
COPY --from=operator-bundle /out /
EXPOSE 8080 8081
# One arena of malloc for all threads of node, most of whose memory the first one takes anyway.
ENV MALLOC_ARENA_MAX=1
# V8 lets its heap grow by what the machine has, to some times of what is in use: 1,000 bindings took 370 MB. This way they take
# 180 at a start, for a tenth more CPU (`npm run bench -- scale`): collect when the heap has grown by 30 %, and let 8 MB pass for young. With 20 %
# and 2 MB it was 148, for half as much CPU again at the start: not taken.
# Without --enable-source-maps (15 MB of 85 when idle): the operator looks up its own lines when it logs an error.
ENTRYPOINT ["/usr/local/bin/node", "--max-semi-space-size=8", "--heap-growing-percent=30", "/app/main.mjs"]
