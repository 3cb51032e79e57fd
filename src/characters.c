/*-------------------------------------------------------------------------
 *
 * characters.c
 *	  Refuses invisible characters in names, e-mail addresses and phone numbers.
 *
 * Control characters, unusual spaces, zero-width characters and bidirectional
 * controls would make two different addresses look the same, or display a text
 * that differs from what is stored.  Letters that merely look alike are
 * accepted: they make different addresses, and different customers.
 *
 * A name may contain what its script requires: spaces, joiners (Persian, Hindi)
 * and variation selectors (Japanese, Mongolian).
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "booking.h"

typedef struct CodeRange
{
	pg_wchar	first;
	pg_wchar	last;
	bool		in_names;		/* may stand in a name */
} CodeRange;

/* In ascending order.  U+0020 is not listed: callers check it themselves. */
static const CodeRange hidden[] = {
	{0x0000, 0x001F, false},	/* controls */
	{0x007F, 0x00A0, false},	/* controls, no-break space */
	{0x00AD, 0x00AD, false},	/* soft hyphen */
	{0x034F, 0x034F, false},	/* combining grapheme joiner */
	{0x061C, 0x061C, false},	/* Arabic letter mark */
	{0x115F, 0x1160, false},	/* Hangul fillers */
	{0x1680, 0x1680, false},	/* Ogham space */
	{0x17B4, 0x17B5, false},	/* Khmer vowels without a shape */
	{0x180B, 0x180D, true},		/* Mongolian variation selectors */
	{0x180E, 0x180E, false},	/* Mongolian vowel separator */
	{0x180F, 0x180F, true},
	{0x2000, 0x200B, false},	/* spaces, zero-width space */
	{0x200C, 0x200D, true},		/* zero-width joiners */
	{0x200E, 0x200F, false},	/* direction marks */
	{0x2028, 0x202F, false},	/* separators, directions, narrow space */
	{0x205F, 0x206F, false},	/* space, word joiner, directions */
	{0x2800, 0x2800, false},	/* empty Braille pattern */
	{0x3000, 0x3000, true},		/* ideographic space */
	{0x3164, 0x3164, false},	/* Hangul filler */
	{0xFDD0, 0xFDEF, false},	/* noncharacters */
	{0xFE00, 0xFE0F, true},		/* variation selectors */
	{0xFEFF, 0xFEFF, false},	/* zero-width no-break space */
	{0xFFA0, 0xFFA0, false},	/* half-width Hangul filler */
	{0xFFF0, 0xFFFC, false},	/* unassigned, annotations, embedded object */
	{0x13430, 0x1345F, false},	/* hieroglyph controls and blanks */
	{0x16FE4, 0x16FE4, false},	/* Khitan filler */
	{0x1BCA0, 0x1BCA3, false},	/* shorthand controls */
	{0x1D159, 0x1D159, false},	/* null notehead */
	{0x1D173, 0x1D17A, false},	/* musical controls */
	{0xE0000, 0xE00FF, false},	/* tags */
	{0xE0100, 0xE01EF, true},	/* ideographic variation selectors */
	{0xE01F0, 0xE0FFF, false}
};

static bool
is_hidden(pg_wchar code, bool is_name)
{
	/* The last two code points of each plane are noncharacters */
	if ((code & 0xFFFE) == 0xFFFE)
		return true;
	for (int i = 0; i < (int) lengthof(hidden); i++)
	{
		if (code <= hidden[i].last)
			return code >= hidden[i].first &&
				!(is_name && hidden[i].in_names);
	}
	return false;
}

static bool
is_ascii(const char *value)
{
	for (; *value != '\0'; value++)
	{
		if (IS_HIGHBIT_SET(*value))
			return false;
	}
	return true;
}

static void
refuse_encoding(const char *argument)
{
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("%s is not valid text", argument),
			 errdetail("It has bytes that are no character of encoding %s.",
					   pg_encoding_to_char(GetDatabaseEncoding() == PG_SQL_ASCII ?
										   PG_UTF8 : GetDatabaseEncoding())),
			 errhint("Pass it in the client's encoding.")));
}

/*
 * Converts a text to UTF-8.  In an SQL_ASCII database it must be UTF-8 already.
 */
static const char *
as_utf8(const char *argument, const char *value)
{
	int			length = (int) strlen(value);
	int			encoding = GetDatabaseEncoding();

	if (is_ascii(value))
		return value;
	if (encoding == PG_SQL_ASCII)
		encoding = PG_UTF8;
	if (!pg_verify_mbstr(encoding, value, length, true))
		refuse_encoding(argument);
	return (char *)
		pg_do_encoding_conversion((unsigned char *) unconstify(char *, value),
								  length, encoding, PG_UTF8);
}

/*
 * Raises 22023 if a text contains an invisible character, or a space other than
 * U+0020.  A name may contain the invisible characters that its script requires.
 */
void
refuse_hidden_characters(const char *argument, const char *value, bool is_name)
{
	const unsigned char *c =
		(const unsigned char *) as_utf8(argument, value);

	for (; *c != '\0'; c += pg_utf_mblen(c))
	{
		pg_wchar	code = utf8_to_unicode(c);

		if (is_hidden(code, is_name))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					 errmsg("%s contains the invisible character U+%04X",
							argument, (unsigned int) code),
					 errdetail("Control characters, zero-width characters, those that turn the direction of writing, and spaces other than U+0020 would make it look like another."),
					 errhint("Remove the character.")));
	}
}
