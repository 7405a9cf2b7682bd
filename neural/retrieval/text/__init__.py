"""Chinese and English text as search compares it: a normal form, tokens, names and pinyin."""
