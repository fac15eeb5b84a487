#!/bin/sh
# Removes from an image what never runs in it. Usage: slim.sh SITE-PACKAGES
# One line each, with its reason; the tests of the images run what must still work.
set -eu
tools=$(cd "$(dirname "$0")" && pwd)
cd "$1"

# Tests that wheels ship.
for package in matplotlib mpmath networkx numpy pandas pyarrow scipy sklearn sympy; do
    if [ -d "$package" ]; then find "$package" -type d -name tests -prune -exec rm -rf {} +; fi
done
# What compilers and editors read, but for torch and Triton, which compile when a program asks.
find . \( -path ./torch -o -path ./triton -o -path ./nvidia \) -prune -o \
    \( -name '*.pyi' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.c' -o -name '*.cpp' -o -name '*.h' \
    -o -name '*.hpp' -o -name '*.a' \) -exec rm -f {} +
# Arrow: headers and sources for compilers, the Flight server, and copies of a library under the names that linkers look for.
rm -rf pyarrow/include pyarrow/src pyarrow/libarrow_flight* pyarrow/libarrow_python_flight* pyarrow/_flight* \
    pyarrow/libarrow_python.so pyarrow/libarrow_python.so.*.*.*
# Arrow: file systems and formats that nothing here reads (fsspec reads S3), and its encryption of Parquet.
rm -rf pyarrow/libarrow_python_parquet_encryption* pyarrow/_parquet_encryption* pyarrow/_dataset_parquet_encryption* \
    pyarrow/_dataset_orc* pyarrow/_orc* pyarrow/_substrait* pyarrow/_azurefs* pyarrow/_gcsfs* pyarrow/_hdfs* pyarrow/_pyarrow_cpp_tests* \
    pyarrow/includes pyarrow/benchmark.py pyarrow/conftest.py
# onnxruntime: the library for C programs (Python has its own copy), and tools that change models.
rm -rf onnxruntime/capi/libonnxruntime.so* onnxruntime/transformers onnxruntime/quantization onnxruntime/tools \
    onnxruntime/datasets
# AWS: descriptions of some 400 services; s3fs speaks to S3, and signs in through STS and SSO.
if [ -d botocore/data ]; then
    find botocore/data -mindepth 1 -maxdepth 1 -type d ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin \
        -exec rm -rf {} +
fi
# Pages of the MLflow and Prefect web servers: they run elsewhere, a flow only calls them.
rm -rf mlflow/server/js prefect/server/ui-v2 prefect/server/ui prefect/server/ui_v2_build prefect/server/ui_build
# The second, asynchronous copy of the Kubernetes client; prefect-kubernetes brings its own.
rm -rf kubernetes/aio
# Matplotlib's sample data.
rm -rf matplotlib/mpl-data/sample_data
# SciPy where nothing is fitted: sparse arrays alone are used, which need none of its other packages.
if [ -d scipy ] && [ ! -d sklearn ]; then
    find scipy -mindepth 1 -maxdepth 1 -type d ! -name sparse ! -name _lib -exec rm -rf {} +
    rm -rf scipy.libs
fi
# SQLAlchemy's means for testing.
rm -rf sqlalchemy/testing
# Symbols and debugging information.
python3 "$tools/cut.py" .
