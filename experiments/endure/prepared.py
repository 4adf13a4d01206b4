def list_cases(): return []
