package pgoutput

import "github.com/oikion/orgcast"

// maxRelations bounds the descriptions kept for one connection. A table that is
// dropped and made anew leaves its old one behind, so a stream that lives for
// years could collect them; at the bound it starts anew.
const maxRelations = 1 << 16

// minColumn is the shortest description of a column: flags, an empty name with
// its zero byte, type OID, type modifier.
const minColumn = 1 + 1 + 4 + 4

// relation reads a Relation message. What it returns aliases nothing.
func (r *reader) relation() *orgcast.Relation {
	rel := &orgcast.Relation{
		OID:    r.uint32(),
		Schema: string(r.text()),
		Name:   string(r.text()),
	}
	if rel.Schema == "" {
		// pgoutput's abbreviation.
		rel.Schema = "pg_catalog"
	}
	identityAt := r.at
	rel.Identity = orgcast.ReplicaIdentity(r.uint8())
	switch rel.Identity {
	case orgcast.IdentityDefault, orgcast.IdentityNothing, orgcast.IdentityFull, orgcast.IdentityIndex:
	default:
		r.fail(identityAt, ErrMalformed)
	}
	count := int(r.uint16())
	if r.err == nil && count > (len(r.frame)-r.at)/minColumn {
		r.fail(r.at, ErrTruncated)
	}
	if r.err != nil {
		return nil
	}
	rel.Columns = make([]orgcast.Column, count)
	for i := range rel.Columns {
		rel.Columns[i] = orgcast.Column{
			Key:     r.uint8()&1 != 0,
			Name:    string(r.text()),
			TypeOID: r.uint32(),
			TypeMod: int32(r.uint32()),
		}
	}
	return rel
}
