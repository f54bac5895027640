package main

import (
	"fmt"
	"slices"
	"time"
)

// sample is how long things took.
type sample []time.Duration

// at is the sample's quantile; 0 if it is empty.
func (s sample) at(quantile float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(quantile*float64(len(sorted))), len(sorted)-1)]
}

func (s sample) String() string {
	return fmt.Sprintf("p50 %6.3f ms  p99 %7.3f ms", ms(s.at(0.5)), ms(s.at(0.99)))
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// ratio is how many times b is a.
func ratio(a, b time.Duration) float64 { return float64(a) / float64(b) }
