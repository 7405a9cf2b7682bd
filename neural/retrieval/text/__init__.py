"""Words of Chinese and English as search compares them: one normal form, tokens, names, pinyin."""
