# The nightly job as a container: docker build -t tamhr-sync . && docker run --rm --init -v /etc/tamhr-sync:/job tamhr-sync run
# /job holds sync.config.json and .env; state is in SQL Server, so that the container may be thrown away after each run.

FROM node:24-slim AS build
WORKDIR /build
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN node_modules/.bin/tsc -p tsconfig.build.json && npm ci --omit=dev --ignore-scripts
COPY bin ./bin
COPY sql ./sql
COPY docs/json ./docs/json
COPY sync.config.json sync.config.schema.json README.md CHANGELOG.md LICENSE ./
# A folder src/ beside bin/ would be run from source.
RUN rm -rf src tsconfig.json tsconfig.build.json

FROM node:24-slim
ENV NODE_ENV=production
COPY --from=build /build /opt/tamhr-sync
RUN ln -s /opt/tamhr-sync/bin/tamhr-sync.js /usr/local/bin/tamhr-sync && chmod 755 /opt/tamhr-sync/bin/tamhr-sync.js
# The folder belongs to root: the job reads its configuration, and writes only what that asks for: log, report, metrics.
WORKDIR /job
USER node
# Node is process 1 itself, so that SIGTERM of docker stop reaches it and the batch in flight is finished.
ENTRYPOINT ["tamhr-sync"]
CMD ["--help"]
