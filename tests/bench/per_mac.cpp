// A matrix product in ap_fixed, whose accumulator of 20 bits saturates after every product.

#include "ap_fixed.h"

#include <cstdint>

extern "C" void matmul(const uint8_t *a, const int8_t *b, int32_t *sums, int64_t rows, int64_t steps, int64_t columns) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j++) {
            ap_fixed<20, 20, AP_TRN, AP_SAT> sum = 0;
            for (int64_t k = 0; k < steps; k++)
                sum += ap_uint<8>(a[i * steps + k]) * ap_int<8>(b[k * columns + j]);
            sums[i * columns + j] = sum.to_int();
        }
}
