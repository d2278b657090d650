/* SPDX-License-Identifier: MIT */
/* cplusplus.cpp – the same from C++: destroyed by unique_ptr, failures thrown. */
#include <adapter_cl/adapter_cl.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <vector>

namespace {

template <typename T, void (*destroy)(T **)> struct deleter {
    void operator()(T *object) const { destroy(&object); }
};

using context = std::unique_ptr<adcl_context, deleter<adcl_context, adcl_context_destroy>>;
using tensor = std::unique_ptr<adcl_tensor, deleter<adcl_tensor, adcl_tensor_destroy>>;
using adapter = std::unique_ptr<adcl_adapter, deleter<adcl_adapter, adcl_adapter_destroy>>;
using workspace = std::unique_ptr<adcl_workspace, deleter<adcl_workspace, adcl_workspace_destroy>>;

context open_device(const char *selector)
{
    adcl_context *raw = nullptr;
    adcl_error error;
    adcl_context_params params = ADCL_CONTEXT_PARAMS_INIT;
    params.device = selector;
    if (adcl_context_create(&raw, &params, &error) != ADCL_OK)
        throw std::runtime_error(error.message);
    return context(raw);
}

void check(const context &ctx, adcl_status status)
{
    if (status != ADCL_OK) throw std::runtime_error(adcl_context_error(ctx.get())->message);
}

/* y = adapter(x) for rows of `hidden` numbers. */
std::vector<float> apply(const context &ctx, const adapter &a, const std::vector<float> &x,
                         std::size_t hidden)
{
    std::size_t rows = x.size() / hidden;
    adcl_workspace_params batch = ADCL_WORKSPACE_PARAMS_INIT;
    batch.max_rows = rows;
    adcl_workspace *raw_workspace = nullptr;
    check(ctx, adcl_workspace_create(&raw_workspace, ctx.get(), a.get(), &batch));
    workspace w(raw_workspace);
    adcl_tensor *raw_tensor = nullptr;
    check(ctx, adcl_tensor_create(&raw_tensor, ctx.get(), ADCL_F32, rows, hidden));
    tensor states(raw_tensor);
    std::vector<float> y(x.size());
    check(ctx, adcl_tensor_write(ctx.get(), states.get(), x.data(), x.size() * sizeof(float)));
    check(ctx, adcl_adapter_forward(ctx.get(), a.get(), w.get(), states.get(), states.get()));
    check(ctx, adcl_tensor_read(ctx.get(), states.get(), y.data(), y.size() * sizeof(float)));
    return y;
}

} // namespace

int main()
try {
    const std::size_t hidden = 32;
    context ctx = open_device(nullptr);
    adcl_adapter_params params = ADCL_ADAPTER_PARAMS_INIT;
    params.hidden_size = hidden;
    params.bottleneck_size = 4;
    params.init = ADCL_INIT_HOULSBY;
    adcl_adapter *raw = nullptr;
    check(ctx, adcl_adapter_create(&raw, ctx.get(), &params));
    adapter a(raw);

    std::vector<float> x(3 * hidden, 1.0f);
    std::vector<float> y = apply(ctx, a, x, hidden);
    double moved = 0.0;
    for (std::size_t i = 0; i < x.size(); i++) moved = std::fmax(moved, std::fabs(y[i] - x[i]));
    std::printf("%s: a new adapter moves x by at most %.3g\n", adcl_context_device(ctx.get())->name,
                moved);

    params.hidden_size = 0; /* a mistake becomes an exception with a sentence */
    try {
        check(ctx, adcl_adapter_create(&raw, ctx.get(), &params));
    } catch (const std::runtime_error &mistake) {
        std::printf("caught: %s\n", mistake.what());
        return moved > 0.0 && moved < 0.01 ? 0 : 1;
    }
    return 1;
} catch (const std::exception &failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 1;
}
