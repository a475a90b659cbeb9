// The embedded API in one header: load a run and sample it, train on one's own numbers, define one's own operations.
#pragma once
#include "engine/ops/ops.h"
#include "evaluation/benchmark.h"
#include "evaluation/run.h"
#include "io/h5ad.h"
#include "kernels/core/executors.h"
#include "kernels/core/observers.h"
#include "kernels/core/queue.h"
#include "models/model.h"
