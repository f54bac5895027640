package demo

import (
	"testing"

	"github.com/oikion/orgcast/internal/pgtest"
)

func TestMain(m *testing.M) { pgtest.Main(m) }
