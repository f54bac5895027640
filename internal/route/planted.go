package route

// What follows is reached only with faults planted: see internal/plant.

// plantedEntry is an entry of a parent index that does not count yet.
type plantedEntry struct {
	rows *parentIndex
	key  []byte
	t    tenant
}

// plantedLater are the entries of the transaction at hand, plantedNext those of
// the one before.
var plantedLater, plantedNext []plantedEntry

// plantedIndex ends a transaction: what the one before it said counts now.
func plantedIndex() {
	for _, e := range plantedNext {
		e.rows.set(e.key, e.t)
	}
	plantedNext, plantedLater = plantedLater, nil
}
