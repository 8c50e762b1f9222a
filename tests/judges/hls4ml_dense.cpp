// A dense layer of hls4ml's latency strategy with every type ap_fixed<16,6>, on bits from standard input.
//
// hls4ml_dense dense    of each INPUTS * OUTPUTS + OUTPUTS + INPUTS numbers (weights row by row, biases, inputs): OUTPUTS

#include "ap_fixed.h"
#include "nnet_utils/nnet_dense.h"

#include <cstdio>
#include <vector>

constexpr int INPUTS = 24, OUTPUTS = 4;

using Fixed = ap_fixed<16, 6>;

struct Layer : nnet::dense_config {
    typedef Fixed bias_t;
    typedef Fixed weight_t;
    typedef Fixed accum_t;
    static const unsigned n_in = INPUTS;
    static const unsigned n_out = OUTPUTS;
    static const unsigned strategy = nnet::latency;
    static const unsigned reuse_factor = 1;
    static const unsigned multiplier_limit = INPUTS * OUTPUTS;
    template <class x_T, class y_T> using product = nnet::product::mult<x_T, y_T>;
};

static Fixed from_bits(long long bits) {
    Fixed value;
    value.range(15, 0) = bits & 0xffff;
    return value;
}

int main() {
    std::vector<Fixed> given;
    for (long long bits; std::scanf("%lld", &bits) == 1;)
        given.push_back(from_bits(bits));
    const size_t size = INPUTS * OUTPUTS + OUTPUTS + INPUTS;
    for (size_t first = 0; first + size <= given.size(); first += size) {
        Fixed *weights = &given[first], *biases = weights + INPUTS * OUTPUTS, *data = biases + OUTPUTS;
        Fixed result[OUTPUTS];
        nnet::dense_latency<Fixed, Fixed, Layer>(data, result, weights, biases);
        for (Fixed one : result) {
            ap_int<16> bits;
            bits.range(15, 0) = one.range(15, 0);
            std::printf("%d ", (int)bits);
        }
        std::printf("\n");
    }
}
