package demo

import (
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of what the demo keeps: cards of an organization, notes of a card, the
// letters of each.
const (
	maxProperties   = 100
	maxNotes        = 20
	maxDescription  = 120
	maxNote         = 280
	maxNotification = 140
	maxBedrooms     = 99
)

// edit is a change of a property: what is nil stays.
type edit struct {
	Description *string `json:"description"`
	Price       *string `json:"price"`
	Status      *string `json:"status"`
	Bedrooms    *int    `json:"bedrooms"`
}

// statuses are the labels of the enum PropertyStatus.
var statuses = []string{"AVAILABLE", "UNDER_OFFER", "SOLD", "RENTED"}

// priceText is what numeric(12,2) holds without rounding.
var priceText = regexp.MustCompile(`^[0-9]{1,10}(\.[0-9]{1,2})?$`)

// check refuses what the page should not show. It takes spaces off the ends.
func (e *edit) check() error {
	switch {
	case e.Description != nil && !plain(e.Description, maxDescription):
		return invalid("A description has 1 to 120 letters, in one line.")
	case e.Price != nil && !priceText.MatchString(*e.Price):
		return invalid("A price is a number such as 480000 or 480000.50.")
	case e.Status != nil && !slices.Contains(statuses, *e.Status):
		return invalid("A status is one of " + strings.Join(statuses, ", ") + ".")
	case e.Bedrooms != nil && (*e.Bedrooms < 0 || *e.Bedrooms > maxBedrooms):
		return invalid("Bedrooms are 0 to 99.")
	}
	return nil
}

// plain tells whether text, without the spaces at its ends, is one line of 1 to
// limit letters.
func plain(text *string, limit int) bool {
	*text = strings.TrimSpace(*text)
	return *text != "" && utf8.RuneCountInString(*text) <= limit && !strings.ContainsFunc(*text, unicode.IsControl)
}
