#!/bin/sh
# Takes out of an installed environment what dativo never uses, some 190 MB of it. The tests of the image import what is
# left, library by library.
set -eu
site=$(echo "$1"/lib/python3*/site-packages)
cd "$site"

# The tests of other packages.
find . -type d -name tests -not -path './dativo_*' -prune -exec rm -rf {} +
# What C++ programs are compiled with; RPC that nothing here speaks.
rm -rf pyarrow/include pyarrow/src pyarrow/libarrow_flight.so* pyarrow/libarrow_python_flight.so* pyarrow/_flight.*
# Of several hundred services, those that find credentials and speak to S3.
find botocore/data -mindepth 1 -maxdepth 1 -type d \
  -not -name s3 -not -name sts -not -name sso -not -name sso-oidc -not -name signin -exec rm -rf {} +
# Source maps, for people who debug the web UI itself.
find dagster_webserver -name '*.map' -delete
# A client of Hive, which is no catalogue of dativo's.
rm -rf hive_metastore fb303
# Debugging symbols, but for libraries that were patched when they were packed: stripping may break those.
find . -type f -name '*.so*' -not -path './*.libs/*' -exec strip --strip-unneeded {} + 2>/dev/null
