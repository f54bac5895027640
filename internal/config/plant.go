//go:build plant

package config

import "github.com/oikion/orgcast/internal/plant"

func init() { own = append(own, plant.Variable) }
